/** One run: what it is about, how far it is, what went wrong, what can be done with it. */

import { Link } from "wouter";

import { isNotFound } from "../api";
import type { Options, Run } from "../apiTypes";
import { ErrorMessage, Loading, StaleNote } from "../components/ContentPlaceholder";
import { ReadOnlyNote } from "../components/ReadOnlyNote";
import { RunActions } from "../components/RunActions";
import { RunDescription } from "../components/RunDescription";
import { FailedAndSkipped } from "../components/FailedAndSkipped";
import { RunCompareLinks } from "../components/run/RunCompareLinks";
import { MadeOf } from "../components/run/MadeOf";
import { RunGroups } from "../components/run/RunGroups";
import { SelfCheck } from "../components/run/SelfCheck";
import { RunProgress } from "../components/RunProgress";
import { StatusBadge } from "../components/StatusBadge";
import { usePageTitle, useScrollToTop } from "../hooks/usePage";
import { isActive } from "../lib/runStatus";
import { DEFAULT_STATE, featuresPath } from "../lib/viewState";
import { runName } from "../lib/runTitle";
import { useOptions, useProvenance, useRun } from "../runQueries";

export function RunPage({ id }: { id: string }) {
  const query = useRun(id);
  const options = useOptions();
  usePageTitle(`Run ${id}`);
  useScrollToTop();

  const { data: run, error } = query;
  if (error !== null && (run === undefined || isNotFound(error))) {
    return (
      <ErrorMessage error={error} onRetry={() => void query.refetch()}>
        <Link href="/runs" className="control text-ink">
          All runs
        </Link>
      </ErrorMessage>
    );
  }
  if (run === undefined) return <Loading label={`Loading run ${id}…`} />;
  return (
    <>
      <StaleNote error={error ?? options.error} />
      <RunView run={run} options={options.data} />
    </>
  );
}

function RunView({ run, options }: { run: Run; options: Options | null | undefined }) {
  const provenance = useProvenance(run);
  const hasFeatures = (run.progress?.num_tokens ?? run.num_tokens) > 0;
  return (
    <div className="space-y-6">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <h1 className="min-w-0">
          <bdi className="text-xl font-semibold tracking-tight break-words">{runName(run)}</bdi>{" "}
          <span className="block font-mono text-xs break-all text-muted">{run.id}</span>
        </h1>
        <StatusBadge status={run.status} />
        {hasFeatures && (
          <Link href={featuresPath({ ...DEFAULT_STATE, run: run.id })} className="control text-accent">
            {isActive(run) ? "Features so far" : "Features"}
          </Link>
        )}
        {hasFeatures && <RunCompareLinks run={run} />}
      </div>
      {run.progress !== null && <RunProgress run={run} progress={run.progress} />}
      {run.error !== null && (
        <p role="alert" className="panel border-danger px-4 py-2 break-words text-danger">
          {run.error}
        </p>
      )}
      <div className="grid items-start gap-6 lg:grid-cols-2">
        <section className="min-w-0">
          <h2 className="mb-1.5 font-semibold">What it read, and how much</h2>
          <RunDescription run={run} />
        </section>
        <SelfCheck run={run} />
      </div>
      <FailedAndSkipped run={run} />
      <RunGroups run={run} />
      {provenance.data !== undefined && <MadeOf provenance={provenance.data} />}
      {options != null && <RunActions run={run} options={options} />}
      {options === null && <ReadOnlyNote />}
    </div>
  );
}
