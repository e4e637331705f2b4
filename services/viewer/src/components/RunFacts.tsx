/** What a run read and with which model, in a few short facts. */

import { Link } from "wouter";

import type { Ranking, Run } from "../apiTypes";
import { formatCount, formatPlural, shortPath } from "../lib/format";
import { hookPoint, runPath, runSubject } from "../lib/runs";

const STATUS_NOTE: Partial<Record<Run["status"], string>> = {
  interrupted: "This run was interrupted: figures up to there. `saescope run --resume` continues it.",
  cancelled: "This run was cancelled: figures up to there.",
  completed_with_errors: "This run is complete except for chunks that failed.",
  failed: "This run failed: figures up to there.",
};

export function RunFacts({ run, ranking }: { run: Run; ranking: Ranking }) {
  const { source, model, autoencoder } = runSubject(run);
  const numRows = ranking.num_records ?? run.num_prompts;
  const numSkipped = run.num_skipped_rows ?? 0;
  const note = STATUS_NOTE[run.status];
  return (
    <section aria-label="Run">
      <dl className="flex flex-wrap gap-x-6 gap-y-1">
        {numRows !== null && <Fact name="rows" value={formatCount(numRows)} />}
        <Fact name="tokens" value={formatCount(ranking.num_tokens)} />
        <Fact name="features" value={formatCount(ranking.num_features)} />
        <Fact name="fired" value={formatCount(ranking.num_active_features)} />
        <Fact name="source" value={shortPath(source)} title={source} />
        <Fact name="model" value={`${shortPath(model)}, ${hookPoint(run)}`} title={model} />
        <Fact name="autoencoder" value={shortPath(autoencoder)} title={autoencoder} />
      </dl>
      {(numSkipped > 0 || note !== undefined) && (
        <p className="mt-1 text-muted">
          {note !== undefined && <span className="text-danger">{note} </span>}
          {numSkipped > 0 && `${formatPlural(numSkipped, "row")} could not be used. `}
          <Link href={runPath(run.id)} className="text-accent underline">
            More about this run
          </Link>
        </p>
      )}
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
