import type { Run } from "../apiTypes";
import { statusTitle } from "../lib/runStatus";

/** Runs as a list to choose from; one that isn't complete says what it is. */
export function RunOptions({ runs }: { runs: Run[] }) {
  return runs.map((run) => (
    <option key={run.id} value={run.id}>
      {run.id}
      {run.status === "complete" ? "" : ` (${statusTitle(run.status)})`}
    </option>
  ));
}
