/** Which run is shown, by name, dataset, size and time; plain words when there is only one, a search when there are many. */

import { useMemo } from "react";

import { isFinished } from "../lib/runStatus";
import { runTitles } from "../lib/runTitle";
import { useRuns } from "../runQueries";
import { RunCombobox } from "./RunCombobox";

const MOST_IN_A_MENU = 12; // more are searched

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
  const title = `${titles.get(newest?.id ?? "") ?? ""} (newest)`;
  const automatic = run === null || known ? title : `unknown run ${run}`;
  if (runs.length > MOST_IN_A_MENU) {
    const shown = known ? (titles.get(run ?? "") ?? "") : automatic;
    return <RunCombobox {...{ runs, titles, run, shown, onChoose }} newest={titles.get(newest?.id ?? "") ?? ""} />;
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
      <option value="">{automatic}</option>
      {runs.map(({ id }) => (
        <option key={id} value={id}>
          {titles.get(id)}
        </option>
      ))}
    </select>
  );
}
