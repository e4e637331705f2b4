/** Two runs: their features by how differently they fire. */

import { useMemo } from "react";
import { Link, useLocation, useSearch } from "wouter";

import type { Comparison, Run } from "../apiTypes";
import { CompareTable } from "../components/compare/CompareTable";
import { CompareControls } from "../components/compare/CompareControls";
import { ConfidenceIntervalNote } from "../components/compare/ConfidenceIntervalNote";
import { RunChoice } from "../components/compare/RunChoice";
import { GoToFeature } from "../components/GoToFeature";
import { ContentPlaceholder, ErrorMessage, Loading, StaleNote } from "../components/ContentPlaceholder";
import { NoRuns } from "../components/NoRuns";
import { StepLink } from "../components/PreviousNextLinks";
import { FEATURES_PER_PAGE, useComparison } from "../rowAndCompareQueries";
import { usePageTitle, useScrollToTop } from "../hooks/usePage";
import { comparedFeaturePath, comparePath, type CompareState, readCompareState } from "../lib/compareState";
import { formatCount, formatPlural } from "../lib/format";
import { useRuns } from "../runQueries";

export function ComparePage() {
  const search = useSearch();
  const state = useMemo(() => readCompareState(search), [search]);
  const runs = useRuns();

  usePageTitle("Compare runs");
  if (runs.data === undefined) {
    if (runs.error === null) return <Loading label="Loading the runs…" />;
    return <ErrorMessage error={runs.error} onRetry={() => void runs.refetch()} />;
  }
  if (runs.data.length === 0) return <NoRuns />;
  return (
    <div className="space-y-4">
      <h1 className="text-xl font-semibold tracking-tight">Compare runs</h1>
      <StaleNote error={runs.error} />
      <Compared state={state} runs={runs.data} />
    </div>
  );
}

function Compared({ state, runs }: { state: CompareState; runs: Run[] }) {
  const [, navigate] = useLocation();
  const comparison = useComparison(state);
  const isChosen = state.a !== null && state.b !== null;
  const { data, error } = comparison;
  const change = (changed: CompareState, how: { replace: boolean } = { replace: false }) => {
    navigate(comparePath(changed), how);
  };
  return (
    <>
      <div className="grid gap-3 sm:grid-cols-2">
        {(["a", "b"] as const).map((side) => (
          <RunChoice
            key={side}
            side={side}
            runs={runs}
            chosen={state[side]}
            onChange={(run) => {
              change({ ...state, [side]: run, offset: 0 });
            }}
          />
        ))}
      </div>
      {!isChosen && <HowToChoose isAlone={runs.length === 1} />}
      {isChosen && data === undefined && error === null && <Loading label="Comparing the runs…" />}
      {isChosen && data === undefined && error !== null && (
        <ErrorMessage error={error} onRetry={() => void comparison.refetch()} />
      )}
      {isChosen && data !== undefined && (
        <>
          <StaleNote error={error} />
          <div className="flex flex-wrap items-start gap-x-5 gap-y-2">
            <CompareControls state={state} onChange={change} />
            <GoToFeature
              numFeatures={data.num_features}
              onGo={(featureId) => {
                navigate(comparedFeaturePath(featureId, state));
              }}
            />
          </div>
          <ConfidenceIntervalNote confidence={data.confidence} unit={data.unit} />
          <div className={`space-y-4 transition-opacity ${comparison.isPlaceholderData ? "opacity-50" : ""}`}>
            <Features comparison={data} state={state} />
          </div>
        </>
      )}
    </>
  );
}

function HowToChoose({ isAlone }: { isAlone: boolean }) {
  return (
    <ContentPlaceholder title={isAlone ? "There is only one run" : "Choose two runs"} level={2}>
      {isAlone && (
        <>
          Make another with the same autoencoder over other texts, with <code>saescope run --source FILE</code> or on
          the page of{" "}
          <Link href="/runs" className="text-accent underline">
            runs
          </Link>
          .{" "}
        </>
      )}
      The features of two runs with the same autoencoder and the same model are listed here by how differently they
      fire.
    </ContentPlaceholder>
  );
}

function Features({ comparison, state }: { comparison: Comparison; state: CompareState }) {
  const { offset, num_matching: matching, features } = comparison;
  if (matching === 0) {
    return (
      <ContentPlaceholder title="No feature matches" level={2}>
        No feature fired that often in the two runs together. Ask for fewer active tokens.
      </ContentPlaceholder>
    );
  }
  const step = (to: number) => ({
    href: comparePath({ ...state, offset: to }),
    title: `From rank ${formatCount(to + 1)}`,
  });
  const next = offset + features.length;
  return (
    <>
      <CompareTable comparison={comparison} state={state} />
      <nav key={state.offset} aria-label="Pages of features" className="flex flex-wrap items-center gap-2 tabular-nums">
        <TopOfPage />
        <StepLink step={offset === 0 ? null : step(Math.max(0, offset - FEATURES_PER_PAGE))}>← Previous</StepLink>
        <StepLink step={next >= matching ? null : step(next)}>Next →</StepLink>
        <span className="text-muted">
          ranks {formatCount(offset + 1)} to {formatCount(next)} of {formatPlural(matching, "feature")}
        </span>
      </nav>
    </>
  );
}

/** Begins every page at its top. */
function TopOfPage() {
  useScrollToTop();
  return null;
}
