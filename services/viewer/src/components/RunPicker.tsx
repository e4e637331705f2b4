/** Which run is shown; a plain name when there is only one. */

import { useLocation } from "wouter";

import { isFinished, statusTitle } from "../lib/runs";
import { featuresPath, type ViewState } from "../lib/viewState";
import { useRuns } from "../runQueries";

export function RunPicker({ state }: { state: ViewState }) {
  const [location, navigate] = useLocation();
  const runs = useRuns().data;
  if (runs === undefined || runs.length === 0) return null;

  const newest = runs.find(isFinished) ?? runs[0]; // what the API shows when it isn't told a run
  const known = runs.some((run) => run.id === state.run);
  if (runs.length === 1 && (known || state.run === null)) {
    return <span className="truncate font-mono text-xs text-muted">{runs[0]?.id}</span>;
  }
  return (
    <select
      className="control max-w-full min-w-0 font-mono text-xs"
      aria-label="Run"
      value={known ? (state.run ?? "") : ""}
      onChange={(event) => {
        const run = event.target.value === "" ? null : event.target.value;
        const query = featuresPath({ ...state, run, offset: 0 }).slice(1);
        navigate(`${location}${query}`);
      }}
    >
      <option value="">
        {state.run === null || known ? `newest (${newest?.id ?? ""})` : `unknown run ${state.run}`}
      </option>
      {runs.map((run) => (
        <option key={run.id} value={run.id}>
          {run.id}
          {run.status === "complete" ? "" : ` (${statusTitle(run.status)})`}
        </option>
      ))}
    </select>
  );
}
