/** Chooses one side of a comparison: a run by dataset and time, and which of its rows; says how much that is. */

import { useId } from "react";

import type { ComparedRun, Run } from "../../apiTypes";
import { groupPart, partName, type Side } from "../../lib/compareSides";
import { formatCount, formatPlural } from "../../lib/format";
import { formatCompact } from "../../lib/runTitle";
import { RunOptions } from "../RunOptions";
import { SideBadge } from "./SideBadge";

type Props = {
  side: Side;
  runs: Run[];
  chosen: string | null;
  part: string | null;
  /** What is compared, as soon as it is known. */
  compared: ComparedRun | undefined;
  onChange: (run: string, part: string | null) => void;
};

export function SideChoice({ side, runs, chosen, part, compared, onChange }: Props) {
  const id = useId();
  const run = runs.find((candidate) => candidate.id === chosen);
  return (
    <div className="min-w-0 space-y-1">
      <div className="flex flex-wrap items-center gap-2">
        <label htmlFor={id} className="flex items-center gap-1.5 font-semibold whitespace-nowrap">
          Run <SideBadge side={side} />
        </label>
        <select
          id={id}
          className="control max-w-full min-w-0 flex-1 basis-64"
          value={run?.id ?? ""}
          onChange={({ target: { value } }) => {
            onChange(value, null);
          }}
        >
          {run === undefined && <option value="">{chosen === null ? "choose a run" : `unknown run ${chosen}`}</option>}
          <RunOptions runs={runs} />
        </select>
        {run !== undefined && run.num_texts !== null && (
          <PartChoice
            side={side}
            run={run}
            part={part}
            onChange={(changed) => {
              onChange(run.id, changed);
            }}
          />
        )}
      </div>
      {compared !== undefined && <p className="text-xs text-muted tabular-nums">{amounts(compared)}</p>}
    </div>
  );
}

type PartProps = { side: Side; run: Run; part: string | null; onChange: (part: string | null) => void };

/** All rows of the run, a group of --group-by, or a random half. */
function PartChoice({ side, run, part, onChange }: PartProps) {
  const groups = run.groups.map(({ name, num_rows: rows }) => ({ value: groupPart(name), rows }));
  const halves = ["half:0", "half:1"];
  const isKnown = part === null || halves.includes(part) || groups.some(({ value }) => value === part);
  return (
    <select
      aria-label={`Rows of ${side.toUpperCase()}`}
      className="control max-w-full min-w-0"
      value={part ?? "all"}
      onChange={({ target: { value } }) => {
        onChange(value === "all" ? null : value);
      }}
    >
      <option value="all">all rows</option>
      {groups.length > 0 && (
        <optgroup label="groups">
          {groups.map(({ value, rows }) => (
            <option key={value} value={value}>
              {partName(value)} · {formatCompact(rows)} rows
            </option>
          ))}
        </optgroup>
      )}
      <optgroup label="as a control">
        {halves.map((half) => (
          <option key={half} value={half}>
            {partName(half)}
          </option>
        ))}
      </optgroup>
      {!isKnown && <option value={part}>no such part: {partName(part)}</option>}
    </select>
  );
}

function amounts({ num_rows, num_texts, num_tokens, tokens_per_text, num_active_features }: ComparedRun): string {
  return [
    num_rows === undefined ? null : formatPlural(num_rows, "row"),
    num_texts === undefined ? null : formatPlural(num_texts, "distinct text"),
    formatPlural(num_tokens, "token"),
    tokens_per_text === undefined ? null : `${tokens_per_text.mean.toFixed(1)} tokens a text`,
    `${formatCount(num_active_features)} features fire`,
  ]
    .filter((amount) => amount !== null)
    .join(" · ");
}
