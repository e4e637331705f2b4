/** All runs, and the way to a new one. */

import { Link } from "wouter";

import { ErrorMessage, Loading, StaleNote } from "../components/ContentPlaceholder";
import { NoRuns } from "../components/NoRuns";
import { ReadOnlyNote } from "../components/ReadOnlyNote";
import { RunsTable } from "../components/RunsTable";
import { usePageTitle, useScrollToTop } from "../hooks/usePage";
import { useOptions, useRuns } from "../runQueries";

export function RunsPage() {
  const runs = useRuns();
  const options = useOptions();
  usePageTitle("Runs");
  useScrollToTop();

  if (runs.data === undefined) {
    if (runs.error === null) return <Loading label="Loading the runs…" />;
    return <ErrorMessage error={runs.error} onRetry={() => void runs.refetch()} />;
  }
  return (
    <div className="space-y-4">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <h1 className="text-xl font-semibold tracking-tight">Runs</h1>
        {options.data != null && runs.data.length > 0 && (
          <Link href="/runs/new" className="control ml-auto">
            Start a run
          </Link>
        )}
      </div>
      <StaleNote error={runs.error ?? options.error} />
      {runs.data.length === 0 ? <NoRuns /> : <RunsTable runs={runs.data} />}
      {options.data === null && <ReadOnlyNote />}
    </div>
  );
}
