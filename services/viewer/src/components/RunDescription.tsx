/** What a run reads, with which models and options, when, and how much it has counted. */

import type { Run } from "../apiTypes";
import { formatCount, formatDate, formatDuration } from "../lib/format";
import { hookPoint, runSubject } from "../lib/runStatus";
import { visibleText } from "../lib/runTitle";
import { Facts } from "./run/Facts";

export function RunDescription({ run }: { run: Run }) {
  const { source, model, autoencoder } = runSubject(run);
  const facts: [name: string, value: string | null][] = [
    ["name", run.name === null ? null : visibleText(run.name)],
    ["dataset", visibleText(source)],
    ["text column", run.text_column === null ? null : visibleText(run.text_column)],
    ["model", `${model}, ${hookPoint(run)}`],
    ["autoencoder", autoencoder],
    ["asked for", run.created_at === run.started_at ? null : moment(run.created_at)],
    ["started", moment(run.started_at)],
    ["finished", moment(run.finished_at)],
    ["took", run.finished_at !== null && run.seconds !== null ? formatDuration(run.seconds) : null],
    // of a run that is going, the progress says it
    ["rows", run.progress === null ? count(run.num_prompts) : null],
    ["tokens", run.progress === null ? count(run.num_tokens) : null],
    ["distinct texts", run.num_texts === null ? null : count(run.num_texts)],
    ["features", count(run.num_features)],
    ["features that fired", count(run.num_active_features)],
  ];
  const options = Object.entries(run.options).map(([name, value]): [string, string | null] => [
    name.replaceAll("_", " "),
    value === null ? null : String(value),
  ]);
  return (
    <section aria-label="Description" className="panel space-y-3 px-4 py-3">
      <Facts facts={facts} />
      <details>
        <summary className="mb-2 w-fit cursor-pointer text-accent">Options</summary>
        <Facts facts={options.map(([name, value]) => [name, value === null ? null : visibleText(value)])} />
      </details>
    </section>
  );
}

function moment(value: string | null): string | null {
  return value === null ? null : formatDate(value);
}

function count(value: number | null): string | null {
  return value === null || value === 0 ? null : formatCount(value);
}
