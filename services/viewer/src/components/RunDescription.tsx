/** What a run reads, with which models and options, when, and how much it has counted. */

import type { Run } from "../apiTypes";
import { formatCount, formatDate, formatDuration } from "../lib/format";
import { hookPoint, runSubject } from "../lib/runStatus";

export function RunDescription({ run }: { run: Run }) {
  const { source, model, autoencoder } = runSubject(run);
  const facts: [name: string, value: string | null][] = [
    ["dataset", source],
    ["text column", run.text_column],
    ["model", `${model}, ${hookPoint(run)}`],
    ["autoencoder", autoencoder],
    ["created", moment(run.created_at)],
    ["started", moment(run.started_at)],
    ["finished", moment(run.finished_at)],
    ["took", run.finished_at !== null && run.seconds !== null ? formatDuration(run.seconds) : null],
    // of a run that is going, the progress says it
    ["rows", run.progress === null ? count(run.num_prompts) : null],
    ["tokens", run.progress === null ? count(run.num_tokens) : null],
    ["features", count(run.num_features)],
    ["features that fired", count(run.num_active_features)],
  ];
  const options = Object.entries(run.options).map(([name, value]): [string, string | null] => [
    name.replaceAll("_", " "),
    value === null ? null : String(value),
  ]);
  return (
    <section aria-label="Description" className="space-y-3">
      <Facts facts={facts} />
      <details>
        <summary className="mb-2 w-fit cursor-pointer text-accent">Options</summary>
        <Facts facts={options} />
      </details>
    </section>
  );
}

/** Names with values; a null value means that there is nothing to say. */
function Facts({ facts }: { facts: [name: string, value: string | null][] }) {
  return (
    <dl className="grid grid-cols-[max-content_minmax(0,1fr)] gap-x-4 gap-y-1">
      {facts
        .filter(([, value]) => value !== null)
        .map(([name, value]) => (
          <div key={name} className="col-span-2 grid grid-cols-subgrid">
            <dt className="text-muted">{name}</dt>
            <dd className="break-all tabular-nums">{value}</dd>
          </div>
        ))}
    </dl>
  );
}

function moment(value: string | null): string | null {
  return value === null ? null : formatDate(value);
}

function count(value: number | null): string | null {
  return value === null || value === 0 ? null : formatCount(value);
}
