/** Which run is shown; a plain name when there is only one. */

import { isFinished } from "../lib/runStatus";
import { useRuns } from "../runQueries";
import { RunOptions } from "./RunOptions";

type Props = {
  /** Null: the newest. */
  run: string | null;
  onChoose: (run: string | null) => void;
};

export function RunPicker({ run, onChoose }: Props) {
  const runs = useRuns().data;
  if (runs === undefined || runs.length === 0) return null;

  const newest = runs.find(isFinished) ?? runs[0]; // what the API shows when it isn't told a run
  const known = runs.some(({ id }) => id === run);
  if (runs.length === 1 && (known || run === null)) {
    return <span className="truncate font-mono text-xs text-muted">{runs[0]?.id}</span>;
  }
  return (
    <select
      className="control max-w-full min-w-0 font-mono text-xs"
      aria-label="Run"
      value={known ? (run ?? "") : ""}
      onChange={(event) => {
        onChoose(event.target.value || null);
      }}
    >
      <option value="">{run === null || known ? `newest (${newest?.id ?? ""})` : `unknown run ${run}`}</option>
      <RunOptions runs={runs} />
    </select>
  );
}
