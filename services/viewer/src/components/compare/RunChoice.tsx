/** Chooses one of the two runs that are compared, and says what it is about. */

import { useId } from "react";

import type { Run } from "../../apiTypes";
import { runSubject } from "../../lib/runStatus";
import { RunOptions } from "../RunOptions";

type Props = { side: "a" | "b"; runs: Run[]; chosen: string | null; onChange: (run: string) => void };

export function RunChoice({ side, runs, chosen, onChange }: Props) {
  const id = useId();
  const run = runs.find((candidate) => candidate.id === chosen);
  return (
    <div className="min-w-0">
      <div className="flex items-center gap-2">
        <label htmlFor={id} className="font-semibold whitespace-nowrap">
          Run {side}
        </label>
        <select
          id={id}
          className="control min-w-0 font-mono text-xs"
          value={run?.id ?? ""}
          onChange={(event) => {
            onChange(event.target.value);
          }}
        >
          {run === undefined && <option value="">{chosen === null ? "choose a run" : `unknown run ${chosen}`}</option>}
          <RunOptions runs={runs} />
        </select>
      </div>
      {run !== undefined && <p className="truncate text-xs text-muted">{runSubject(run).source}</p>}
    </div>
  );
}
