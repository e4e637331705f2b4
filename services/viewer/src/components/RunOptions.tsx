import { useMemo } from "react";

import type { Run } from "../apiTypes";
import { runTitles } from "../lib/runTitle";

/** Runs as a list to choose from, by name, dataset, size and time; one that isn't complete says what it is. */
export function RunOptions({ runs }: { runs: Run[] }) {
  const titles = useMemo(() => runTitles(runs, new Date()), [runs]);
  return runs.map((run) => (
    <option key={run.id} value={run.id}>
      {titles.get(run.id)}
    </option>
  ));
}
