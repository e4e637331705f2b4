/** How far a run is and how fast it goes: the bar and the figures under it. */

import type { Progress, Run } from "../apiTypes";
import { formatPlural, formatRate } from "../lib/format";
import { describeRows, describeTimeLeft, shareDone } from "../lib/runStatus";
import { ProgressBar } from "./ProgressBar";

export function RunProgress({ run, progress }: { run: Run; progress: Progress }) {
  const share = shareDone(progress);
  return (
    <section aria-label="Progress" className="space-y-2">
      <ProgressBar progress={progress} label={`Progress of run ${run.id}`} className="h-2.5" />
      <ul className="flex flex-wrap gap-x-6 gap-y-1 tabular-nums">
        <li className="font-medium">
          {describeRows(progress)}
          {share !== null && ` (${Math.floor(100 * share)} %)`}
        </li>
        {progressFigures(progress).map((figure) => (
          <li key={figure}>{figure}</li>
        ))}
        {progress.num_failed_chunks > 0 && (
          <li className="text-danger">{formatPlural(progress.num_failed_chunks, "failed chunk")}</li>
        )}
      </ul>
      <Problem progress={progress} />
    </section>
  );
}

/** What the services have trouble with, if they have. */
export function Problem({ progress: { problem } }: { progress: Progress }) {
  if (problem === null) return null;
  return (
    <p role="alert" className="break-words text-danger">
      {problem}
    </p>
  );
}

function progressFigures(progress: Progress): string[] {
  const { num_tokens, tokens_per_s, workers } = progress;
  return [
    formatPlural(num_tokens, "token"),
    tokens_per_s === null ? null : `${formatRate(tokens_per_s)} tokens/s`,
    workers === null ? null : formatPlural(workers, "worker"),
    describeTimeLeft(progress),
  ].filter((figure) => figure !== null);
}
