/** What to know of a run's rows: warnings, failed chunks with their errors, skipped rows with their reasons, notes. */

import type { Run } from "../apiTypes";
import { formatCount, formatPlural } from "../lib/format";
import { describeChunk, isFinished } from "../lib/runStatus";

const MISSING = "The rows of a failed chunk are missing from every figure of this run.";

export function FailedAndSkipped({ run }: { run: Run }) {
  const failedChunks = run.failed_chunks;
  const reasons = Object.entries(run.skipped_rows);
  const notes = Object.entries(run.noted_rows);
  const numSkipped = reasons.reduce((sum, [, count]) => sum + count, 0);
  return (
    <>
      {run.warnings.length > 0 && (
        <section aria-labelledby="warnings">
          <h2 id="warnings" className="mb-1.5 font-semibold">
            {formatPlural(run.warnings.length, "warning")}
          </h2>
          <ul className="panel divide-y divide-line">
            {run.warnings.map((warning) => (
              <li key={warning} className="px-3 py-1.5 break-words text-danger">
                {warning}
              </li>
            ))}
          </ul>
        </section>
      )}
      {failedChunks.length > 0 && (
        <section aria-labelledby="failed-chunks">
          <h2 id="failed-chunks" className="mb-1.5 font-semibold">
            {formatPlural(failedChunks.length, "failed chunk")}
          </h2>
          <p className="mb-2 text-muted">
            {isTriedAgain(run) ? "They had failed, and are tried again." : MISSING}
            {isFinished(run) && !run.can.retry && (
              <>
                {" "}
                To try them again: <code className="break-all">saescope run --retry-failed {run.id}</code>
              </>
            )}
          </p>
          <ul className="panel divide-y divide-line">
            {failedChunks.map((chunk) => (
              <li key={chunk.chunk} className="gap-x-6 px-3 py-1.5 sm:grid sm:grid-cols-[16rem_minmax(0,1fr)]">
                <span className="block tabular-nums">{describeChunk(chunk)}</span>
                <span className="block break-words text-danger">{chunk.error}</span>
              </li>
            ))}
          </ul>
        </section>
      )}
      {reasons.length > 0 && (
        <CountedRows id="skipped-rows" title={formatPlural(numSkipped, "skipped row")} counts={reasons} />
      )}
      {notes.length > 0 && <CountedRows id="noted-rows" title="Noticed in rows that were used" counts={notes} />}
    </>
  );
}

type CountedRowsProps = { id: string; title: string; counts: [what: string, count: number][] };

function CountedRows({ id, title, counts }: CountedRowsProps) {
  return (
    <section aria-labelledby={id}>
      <h2 id={id} className="mb-1.5 font-semibold">
        {title}
      </h2>
      <ul className="panel divide-y divide-line">
        {counts.map(([what, count]) => (
          <li key={what} className="flex gap-x-4 px-3 py-1.5">
            <span className="min-w-12 shrink-0 tabular-nums">{formatCount(count)}</span>
            <span className="min-w-0 break-words">{what}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function isTriedAgain(run: Run): boolean {
  return run.retry_from !== null && !isFinished(run);
}
