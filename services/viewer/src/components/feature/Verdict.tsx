/** A warning where the run's self-check doubts the autoencoder: then features may mean nothing. */

import { Link } from "wouter";

import { readSelfCheck } from "../../lib/selfCheck";
import { useRuns } from "../../runQueries";

export function Verdict({ run }: { run: string }) {
  const found = useRuns().data?.find(({ id }) => id === run);
  const check = readSelfCheck(found?.self_check ?? null);
  if (check?.verdict !== "doubtful") return null;
  return (
    <p role="note" className="panel border-danger px-4 py-2 break-words">
      <strong className="font-semibold text-danger">This autoencoder is doubtful,</strong> so this feature may mean
      nothing: {check.reasons.join("; ")}.{" "}
      <Link href={`/runs/${encodeURIComponent(run)}`} className="text-accent underline">
        The run’s self-check
      </Link>
    </p>
  );
}
