/** What a run read and with which model, in a few short facts. */

import { Link } from "wouter";

import type { FailedChunk, Ranking, Run } from "../apiTypes";
import { formatCount, formatPlural, shortPath } from "../lib/format";
import { describeChunk, hookPoint, isFinished, runPath, runSubject } from "../lib/runStatus";
import { WithCode } from "./WithCode";
import { DEFAULT_STATE, featuresPath, NO_FILTERS, type ViewState } from "../lib/viewState";

const STATUS_NOTE: Partial<Record<Run["status"], string>> = {
  interrupted: "This run was interrupted: figures up to there. `saescope run --resume` continues it.",
  cancelled: "This run was cancelled: figures up to there.",
  completed_with_errors: "This run is complete except for chunks that failed.",
  failed: "This run failed: figures up to there.",
};

const CHUNKS_SHOWN = 3;

type Props = { run: Run; ranking: Ranking; state: ViewState };

export function RunFacts({ run, ranking, state }: Props) {
  const { source, model, autoencoder } = runSubject(run);
  const numRows = ranking.num_records ?? run.num_prompts;
  const numSkipped = run.num_skipped_rows;
  const numDead = ranking.num_features - ranking.num_active_features;
  const deadPath = featuresPath({ ...DEFAULT_STATE, run: state.run, filters: { ...NO_FILTERS, dead: true } });
  const note = STATUS_NOTE[run.status];
  return (
    <section aria-label="Run">
      <dl className="flex flex-wrap gap-x-6 gap-y-1">
        <Fact name="rows" value={formatCount(numRows)} />
        <Fact name="tokens" value={formatCount(ranking.num_tokens)} />
        <Fact name="features" value={formatCount(ranking.num_features)} />
        <Fact name="fired" value={formatCount(ranking.num_active_features)} />
        <Fact name="never fired" value={formatCount(numDead)} href={numDead > 0 ? deadPath : undefined} />
        <Fact name="source" value={shortPath(source)} title={source} />
        <Fact name="model" value={`${shortPath(model)}, ${hookPoint(run)}`} title={model} />
        <Fact name="autoencoder" value={shortPath(autoencoder)} title={autoencoder} />
      </dl>
      {run.warnings.map((warning) => (
        <p key={warning} className="mt-1 break-words text-danger">
          Warning: {warning}
        </p>
      ))}
      {(numSkipped > 0 || note !== undefined) && (
        <p className="mt-1 text-muted">
          {note !== undefined && (
            <span className="text-danger">
              <WithCode>{note}</WithCode>{" "}
            </span>
          )}
          {numSkipped > 0 && `${formatPlural(numSkipped, "row")} could not be used. `}
          <Link href={runPath(run.id)} className="text-accent underline">
            More about this run
          </Link>
        </p>
      )}
      {isFinished(run) && run.failed_chunks.length > 0 && <FailedChunks chunks={run.failed_chunks} />}
    </section>
  );
}

function FailedChunks({ chunks }: { chunks: FailedChunk[] }) {
  const numMore = chunks.length - CHUNKS_SHOWN;
  return (
    <ul aria-label="Failed chunks" className="mt-1 text-muted">
      {chunks.slice(0, CHUNKS_SHOWN).map((chunk) => (
        <li key={chunk.chunk} className="break-words">
          {describeChunk(chunk)} are missing: {chunk.error}
        </li>
      ))}
      {numMore > 0 && <li>and {formatPlural(numMore, "more chunk")}</li>}
    </ul>
  );
}

type FactProps = { name: string; value: string; title?: string; href?: string | undefined };

function Fact({ name, value, title, href }: FactProps) {
  return (
    <div className="flex items-baseline gap-1.5" title={title}>
      <dt className="text-xs text-muted">{name}</dt>
      <dd className="font-medium break-all tabular-nums">
        {href === undefined ? (
          value
        ) : (
          // no stop of the Tab key: the list's filters lead there too
          <Link href={href} tabIndex={-1} className="text-accent underline">
            {value}
          </Link>
        )}
      </dd>
    </div>
  );
}
