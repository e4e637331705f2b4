/** Two runs, or two parts of one: their features by how differently they fire. */

import { useMemo } from "react";
import { Link, useLocation, useSearch } from "wouter";

import { comparisonUrl } from "../api";
import type { Comparison, Run } from "../apiTypes";
import { CompareControls } from "../components/compare/CompareControls";
import { CompareNotes } from "../components/compare/CompareNotes";
import { ComparePages } from "../components/compare/ComparePages";
import { CompareSummary } from "../components/compare/CompareSummary";
import { CompareTable } from "../components/compare/CompareTable";
import { HowToChoose } from "../components/compare/HowToChoose";
import { SideChoice } from "../components/compare/SideChoice";
import { ContentPlaceholder, ErrorMessage, Loading, StaleNote } from "../components/ContentPlaceholder";
import { GoToFeature } from "../components/GoToFeature";
import { NoRuns } from "../components/NoRuns";
import { DownloadLinks } from "../components/DownloadLinks";
import { usePageTitle } from "../hooks/usePage";
import { useLabelOf } from "../labelQueries";
import { namesOfSides, type Side } from "../lib/compareSides";
import {
  comparedFeaturePath,
  comparePath,
  type CompareState,
  DEFAULT_COMPARE_STATE,
  readCompareState,
} from "../lib/compareState";
import { comparisonQuery, useComparison } from "../rowAndCompareQueries";
import { useRuns } from "../runQueries";

export function ComparePage() {
  const search = useSearch();
  const state = useMemo(() => readCompareState(search), [search]);
  const runs = useRuns();

  usePageTitle("Compare");
  if (runs.data === undefined) {
    if (runs.error === null) return <Loading label="Loading the runs…" />;
    return <ErrorMessage error={runs.error} onRetry={() => void runs.refetch()} />;
  }
  if (runs.data.length === 0) return <NoRuns />;
  return (
    <div className="space-y-4">
      <h1 className="text-xl font-semibold tracking-tight">Compare</h1>
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
    navigate(comparePath({ ...changed, offset: 0 }), how);
  };
  const isOfThese = isChosen && data !== undefined && !comparison.isPlaceholderData;
  return (
    <>
      <div className="grid gap-3 lg:grid-cols-2">
        {(["a", "b"] as const).map((side) => (
          <SideChoice
            key={side}
            side={side}
            runs={runs}
            chosen={state[side]}
            part={side === "a" ? state.partA : state.partB}
            compared={isOfThese ? data[side] : undefined}
            onChange={(run, part) => {
              const chosen = side === "a" ? { a: run, partA: part } : { b: run, partB: part };
              change({ ...state, ...chosen, show: DEFAULT_COMPARE_STATE.show });
            }}
          />
        ))}
      </div>
      {!isChosen && <HowToChoose runs={runs} chosen={state.a ?? state.b} />}
      {isChosen && data === undefined && error === null && <Loading label="Comparing…" />}
      {isChosen && data === undefined && error !== null && (
        <ErrorMessage error={error} onRetry={() => void comparison.refetch()} />
      )}
      {isChosen && data !== undefined && (
        <>
          <StaleNote error={error} />
          <div className={`space-y-4 transition-opacity ${comparison.isPlaceholderData ? "opacity-50" : ""}`}>
            <CompareSummary
              comparison={data}
              shown={state.show}
              onShow={(show) => {
                change({ ...state, show }, { replace: true });
              }}
            />
            <CompareNotes comparison={data} />
            <div className="flex flex-wrap items-start gap-x-5 gap-y-2">
              <CompareControls state={state} ofTexts={data.unit === "text"} onChange={change} />
              <GoToFeature
                numFeatures={data.num_features}
                onGo={(featureId) => {
                  navigate(comparedFeaturePath(featureId, state));
                }}
              />
            </div>
            <Features comparison={data} state={state} names={namesOfSides(data, runs, state, new Date())} />
          </div>
        </>
      )}
    </>
  );
}

type FeaturesProps = { comparison: Comparison; state: CompareState; names: Record<Side, string> };

function Features({ comparison, state, names }: FeaturesProps) {
  const labelOf = useLabelOf(state.a);
  if (comparison.num_matching === 0) return <NoneMatches state={state} />;
  return (
    <>
      <CompareTable comparison={comparison} state={state} names={names} labelOf={labelOf} />
      <DownloadLinks address={comparisonUrl(comparisonQuery(state))} what="this comparison" />
      <ComparePages key={state.offset} comparison={comparison} state={state} />
    </>
  );
}

function NoneMatches({ state }: { state: CompareState }) {
  const isDifferent = state.show === "differ" && state.minCount === null;
  return (
    <ContentPlaceholder title={isDifferent ? "No feature differs" : "No feature matches"} level={2}>
      {isDifferent
        ? "Nothing was found that chance alone doesn’t explain. With more rows smaller differences would show. "
        : "No feature fits all that is asked for above. "}
      <Link href={comparePath({ ...state, show: "all", minCount: null, offset: 0 })} className="text-accent underline">
        List all that fire
      </Link>
    </ContentPlaceholder>
  );
}
