/** What the API sends and takes: the types in apiSchema.ts, which `npm run types` makes, and names for parts of them. */

import type { EffectsPart, Run } from "./apiSchema";

export type * from "./apiSchema";
export type { FeatureList as Ranking } from "./apiSchema";
export type RunStatus = Run["status"];
export type OptionValue = Run["options"][string];
/** How far a run is, and how far an answer of its models is: two things of one name. */
export type Progress = NonNullable<Run["progress"]>;
export type PartProgress = NonNullable<EffectsPart["progress"]>;
