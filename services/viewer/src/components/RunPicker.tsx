/** Which run is shown, by name, dataset, size and time; plain words when there is only one. */

import { useMemo } from "react";

import { isFinished } from "../lib/runStatus";
import { runTitles } from "../lib/runTitle";
import { useRuns } from "../runQueries";

type Props = {
  /** Null: the newest. */
  run: string | null;
  onChoose: (run: string | null) => void;
};

export function RunPicker({ run, onChoose }: Props) {
  const runs = useRuns().data;
  const titles = useMemo(() => runTitles(runs ?? [], new Date()), [runs]);
  if (runs === undefined || runs.length === 0) return null;

  const newest = runs.find(isFinished) ?? runs[0]; // what the API shows when it isn't told a run
  const known = runs.some(({ id }) => id === run);
  if (runs.length === 1 && (known || run === null)) {
    const [only] = runs;
    return (
      <span className="truncate text-xs text-muted" title={only?.id}>
        {titles.get(only?.id ?? "")}
      </span>
    );
  }
  return (
    <select
      className="control max-w-full min-w-0 sm:max-w-md"
      aria-label="Run"
      value={known ? (run ?? "") : ""}
      onChange={(event) => {
        onChoose(event.target.value || null);
      }}
    >
      <option value="">
        {run === null || known ? `${titles.get(newest?.id ?? "") ?? ""} (newest)` : `unknown run ${run}`}
      </option>
      {runs.map(({ id }) => (
        <option key={id} value={id}>
          {titles.get(id)}
        </option>
      ))}
    </select>
  );
}
