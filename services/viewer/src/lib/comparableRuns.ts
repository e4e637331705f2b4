/** Which runs' features are the same features, as far as the list of runs tells. The API has the last word. */

import type { Run } from "../apiTypes";

/** The other runs with the autoencoder, model and place of this one. */
export function comparableRuns(run: Run, runs: readonly Run[]): Run[] {
  return runs.filter(
    (other) =>
      other.id !== run.id &&
      other.num_tokens > 0 &&
      other.autoencoder === run.autoencoder &&
      other.subject === run.subject &&
      other.layer_index === run.layer_index &&
      other.location === run.location,
  );
}
