/** All labels of an autoencoder's features as a file, and labels out of one: first is said what would become of them. */

import { type ChangeEvent, useId, useRef, useState } from "react";

import { labelsExportUrl } from "../../api";
import type { ImportedLabels } from "../../apiTypes";
import { useImportLabels, useImportPlan } from "../../labelQueries";
import { IS_EMBEDDED } from "../../lib/embedded";
import { formatCount, formatPlural } from "../../lib/format";
import { visibleName } from "../../lib/runTitle";
import { Checkbox } from "../Checkbox";
import { LabelProblem } from "./LabelProblem";

/** A file that was chosen; the number tells it from one of the same name that was chosen before. */
type File = { number: number; name: string; lines: string };

export function LabelFiles({ run }: { run: string }) {
  const id = useId();
  const [file, setFile] = useState<File | null>(null);
  const number = useRef(0);
  const [problem, setProblem] = useState<Error | null>(null);

  const choose = async (event: ChangeEvent<HTMLInputElement>) => {
    const [chosen] = event.target.files ?? [];
    event.target.value = ""; // so that the same file can be chosen again
    if (chosen === undefined) return;
    try {
      const lines = new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array(await chosen.arrayBuffer()));
      setProblem(null);
      number.current += 1;
      setFile({ number: number.current, name: chosen.name, lines });
    } catch {
      setFile(null);
      setProblem(new Error(`${visibleName(chosen.name)} can’t be read as text (UTF-8).`));
    }
  };
  return (
    <div className="mt-1 space-y-2 text-xs">
      <p className="flex flex-wrap items-baseline gap-x-4">
        <a href={labelsExportUrl(run)} className="text-accent underline" download>
          All labels as JSON Lines
        </a>
        {!IS_EMBEDDED && (
          <label htmlFor={id} className="cursor-pointer text-accent underline focus-within:outline-2">
            Bring in labels from JSON Lines…
            <input
              id={id}
              type="file"
              accept=".jsonl,.ndjson,.json,.txt"
              className="sr-only"
              onChange={(event) => void choose(event)}
            />
          </label>
        )}
      </p>
      {problem !== null && <LabelProblem error={problem} />}
      {file !== null && (
        <Import
          key={file.number}
          run={run}
          file={file}
          onDone={() => {
            setFile(null);
          }}
        />
      )}
    </div>
  );
}

function Import({ run, file, onDone }: { run: string; file: File; onDone: () => void }) {
  const [replace, setReplace] = useState(false);
  const plan = useImportPlan(run, file, replace);
  const change = useImportLabels(run);
  return (
    <section aria-label="Labels to bring in" className="panel max-w-prose space-y-2 px-3 py-2">
      {change.data !== undefined ? (
        <>
          <p role="status">
            {formatPlural(change.data.taken, "label")} from {visibleName(file.name)} taken over.
          </p>
          <Skipped outcome={change.data} />
          <button type="button" className="control" onClick={onDone}>
            Close
          </button>
        </>
      ) : (
        <>
          <p role="status">
            {plan.data === undefined
              ? `Looking at ${visibleName(file.name)}…`
              : `${visibleName(file.name)}: ${describe(plan.data)}`}
          </p>
          {plan.data !== undefined && <Skipped outcome={plan.data} />}
          <Checkbox name="replace what is said already" isChecked={replace} onChange={setReplace} />
          {plan.error !== null && <LabelProblem error={plan.error} />}
          {change.error !== null && <LabelProblem error={change.error} />}
          <div className="flex gap-2">
            <button
              type="button"
              className="control font-medium"
              disabled={change.isPending || plan.isFetching || (plan.data?.taken ?? 0) === 0}
              onClick={() => {
                change.mutate({ lines: file.lines, replace });
              }}
            >
              Take over {plan.data === undefined ? "" : formatCount(plan.data.taken)}
            </button>
            {plan.error !== null && (
              <button type="button" className="control" onClick={() => void plan.refetch()}>
                Try again
              </button>
            )}
            <button type="button" className="control" onClick={onDone}>
              Cancel
            </button>
          </div>
        </>
      )}
    </section>
  );
}

function describe({ taken, unchanged, num_skipped: skipped }: ImportedLabels): string {
  return `${formatPlural(taken, "feature")} would get what it says, ${formatCount(unchanged)} have it already, ${formatPlural(skipped, "line")} would be left out.`;
}

function Skipped({ outcome: { skipped, num_skipped: count } }: { outcome: ImportedLabels }) {
  if (count === 0) return null;
  const hidden = count - skipped.length;
  return (
    <details>
      <summary className="w-fit cursor-pointer text-accent">{formatPlural(count, "line")} left out, and why</summary>
      <ul className="mt-1 max-h-60 overflow-auto text-muted" tabIndex={0} role="list" aria-label="Lines left out">
        {skipped.map(({ line, why }) => (
          <li key={line} className="break-words">
            line {formatCount(line)}: {why}
          </li>
        ))}
        {hidden > 0 && <li>and {formatCount(hidden)} more</li>}
      </ul>
    </details>
  );
}
