/** What a run read and with which model, in a few short facts. */

import type { Run } from "../api";
import { formatCount, formatPlural, shortPath } from "../lib/format";

const STATUS_NOTE: Record<Run["status"], string | null> = {
  complete: null,
  running: "This run is still going: figures so far.",
  interrupted: "This run was interrupted: figures up to there. `saescope run --resume` continues it.",
  completed_with_errors: "This run is complete except for chunks that failed; its metadata.json lists them.",
  failed: "This run failed; its metadata.json says why.",
};

export function RunFacts({ run, numActive }: { run: Run; numActive: number }) {
  const note = STATUS_NOTE[run.status];
  return (
    <section aria-label="Run">
      <dl className="flex flex-wrap gap-x-6 gap-y-1">
        <Fact name="rows" value={formatCount(run.num_prompts)} />
        <Fact name="tokens" value={formatCount(run.num_tokens)} />
        <Fact name="features" value={formatCount(run.num_features)} />
        <Fact name="fired" value={formatCount(numActive)} />
        <Fact name="source" value={shortPath(run.source)} title={run.source} />
        <Fact
          name="model"
          value={`${shortPath(run.subject)}, layer ${run.layer_index}, ${run.location}`}
          title={run.subject}
        />
        <Fact name="autoencoder" value={shortPath(run.autoencoder)} title={run.autoencoder} />
      </dl>
      {run.num_skipped_rows > 0 && (
        <p className="mt-1 text-muted">
          {formatPlural(run.num_skipped_rows, "row")} could not be used; the run’s metadata.json says why.
        </p>
      )}
      {note !== null && <p className="mt-1 text-danger">{note}</p>}
    </section>
  );
}

function Fact({ name, value, title }: { name: string; value: string; title?: string }) {
  return (
    <div className="flex items-baseline gap-1.5" title={title}>
      <dt className="text-xs text-muted">{name}</dt>
      <dd className="font-medium break-all tabular-nums">{value}</dd>
    </div>
  );
}
