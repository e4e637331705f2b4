/** What the API sends and takes: the types in apiSchema.ts, which `npm run types` makes, and names for parts of them. */

import type { Run } from "./apiSchema";

export type * from "./apiSchema";
export type { FeatureList as Ranking } from "./apiSchema";
export type RunStatus = Run["status"];
export type OptionValue = Run["options"][string];
export type { AnswerProgress as PartProgress } from "./apiSchema";
