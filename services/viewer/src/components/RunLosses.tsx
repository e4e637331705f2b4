/** What a run could not use: failed chunks with their rows and errors, skipped rows with their reasons. */

import type { FailedChunk } from "../apiTypes";
import { formatCount, formatPlural } from "../lib/format";

type Props = { failedChunks: FailedChunk[]; skippedRows: Record<string, number> };

export function RunLosses({ failedChunks, skippedRows }: Props) {
  const reasons = Object.entries(skippedRows);
  const numSkipped = reasons.reduce((sum, [, count]) => sum + count, 0);
  return (
    <>
      {failedChunks.length > 0 && (
        <section aria-labelledby="failed-chunks">
          <h2 id="failed-chunks" className="mb-1.5 font-semibold">
            {formatPlural(failedChunks.length, "failed chunk")}
          </h2>
          <p className="mb-2 text-muted">The rows of a failed chunk are missing from every figure of this run.</p>
          <ul className="panel divide-y divide-line">
            {failedChunks.map((chunk) => (
              <li key={chunk.chunk} className="gap-x-6 px-3 py-1.5 sm:grid sm:grid-cols-[16rem_minmax(0,1fr)]">
                <span className="block tabular-nums">
                  chunk {chunk.chunk}: rows {formatCount(chunk.first_row)} to {formatCount(chunk.last_row)}
                </span>
                <span className="block break-words text-danger">{chunk.error}</span>
              </li>
            ))}
          </ul>
        </section>
      )}
      {reasons.length > 0 && (
        <section aria-labelledby="skipped-rows">
          <h2 id="skipped-rows" className="mb-1.5 font-semibold">
            {formatPlural(numSkipped, "skipped row")}
          </h2>
          <ul className="panel divide-y divide-line">
            {reasons.map(([reason, count]) => (
              <li key={reason} className="flex gap-x-4 px-3 py-1.5">
                <span className="min-w-12 shrink-0 tabular-nums">{formatCount(count)}</span>
                <span className="min-w-0 break-words">{reason}</span>
              </li>
            ))}
          </ul>
        </section>
      )}
    </>
  );
}
