/** Which runs somebody means who types part of what is known of them. Knows nothing of how runs are titled. */

import type { Run } from "../apiTypes";
import { runSubject } from "./runStatus";

/** The runs whose title, id, dataset, model or autoencoder have every word of the text; all for an empty one. */
export function runsFound(runs: readonly Run[], titles: ReadonlyMap<string, string>, text: string): Run[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return runs.filter((run) => {
    const { source, model, autoencoder } = runSubject(run);
    const known = [titles.get(run.id), run.id, source, model, autoencoder].join("\n").toLowerCase();
    return words.every((word) => known.includes(word));
  });
}
