/** On pages of features: that a run is still going, how far it is, and the way to it. */

import { Link } from "wouter";

import { formatPlural } from "../lib/format";
import { describeRows, describeTimeLeft, runPath } from "../lib/runStatus";
import { featuresPath, type ViewState } from "../lib/viewState";
import { useRun } from "../runQueries";
import { ProgressBar } from "./ProgressBar";
import { Problem } from "./RunProgress";
import { StatusBadge } from "./StatusBadge";

type Props = {
  runId: string;
  state: ViewState;
  /** Rows that the figures on this page are about; undefined if the page shows another run. */
  numRecords: number | undefined;
};

export function LiveBanner({ runId, state, numRecords }: Props) {
  const run = useRun(runId).data;
  if (run === undefined) return null;
  const { progress } = run;
  return (
    <section aria-label="Live run" className="panel space-y-2 px-4 py-2.5">
      <div className="flex flex-wrap items-baseline gap-x-4 gap-y-1 tabular-nums">
        {numRecords === undefined ? (
          <StatusBadge status={run.status} />
        ) : (
          <strong className="font-semibold text-accent">live: {formatPlural(numRecords, "row")} so far</strong>
        )}
        <Link href={runPath(runId)} className="font-mono text-xs break-all text-accent hover:underline">
          {runId}
        </Link>
        {progress !== null && (
          <span className="text-muted">
            {[describeRows(progress), describeTimeLeft(progress)].filter((part) => part !== null).join(", ")}
          </span>
        )}
        {numRecords === undefined && progress !== null && progress.num_tokens > 0 && state.run !== runId && (
          <Link href={featuresPath({ ...state, run: runId, offset: 0 })} className="text-accent hover:underline">
            its features so far
          </Link>
        )}
      </div>
      {progress !== null && (
        <>
          <ProgressBar progress={progress} label={`Progress of run ${runId}`} />
          <Problem progress={progress} />
        </>
      )}
    </section>
  );
}
