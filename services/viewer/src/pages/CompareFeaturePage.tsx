/** One feature in two runs, side by side. */

import { useMemo } from "react";
import { Link, useLocation, useSearch } from "wouter";

import { ComparedFeature } from "../components/compare/ComparedFeature";
import { ConfidenceIntervalBar } from "../components/compare/ConfidenceIntervalBar";
import { ConfidenceIntervalNote } from "../components/compare/ConfidenceIntervalNote";
import { ContentPlaceholder, ErrorMessage, Loading, StaleNote } from "../components/ContentPlaceholder";
import { useComparison } from "../rowAndCompareQueries";
import { usePageTitle, useScrollToTop, useViewState } from "../hooks/usePage";
import { comparedFeaturePath, comparePath, type CompareState, readCompareState } from "../lib/compareState";
import { formatInterval } from "../lib/confidenceInterval";
import { useFeature } from "../queries";

export function CompareFeaturePage({ id }: { id: string }) {
  useScrollToTop();
  const search = useSearch();
  const state = useMemo(() => readCompareState(search), [search]);
  const { a, b } = state;
  if (a !== null && b !== null && /^\d{1,15}$/.test(id)) {
    return <FeatureInBoth key={id} featureId={Number(id)} a={a} b={b} state={state} />;
  }
  return (
    <ContentPlaceholder title={/^\d{1,15}$/.test(id) ? "Two runs are needed" : `“${id}” isn’t a feature`}>
      The address says which two runs and which feature are compared.{" "}
      <Link href={comparePath(state)} className="text-accent underline">
        Choose them
      </Link>
    </ContentPlaceholder>
  );
}

type Props = { featureId: number; a: string; b: string; state: CompareState };

function FeatureInBoth({ featureId, a, b, state }: Props) {
  const inA = useFeature(featureId, a);
  const inB = useFeature(featureId, b);
  const comparison = useComparison(state, featureId);
  const { allExamples } = useViewState();
  const [, navigate] = useLocation();

  usePageTitle(`Feature ${featureId} in two runs`);
  const parts = [inA, inB, comparison];
  const error = parts.find((part) => part.error !== null)?.error ?? null;
  const back = (
    <Link href={comparePath(state)} className="control text-ink">
      All compared features
    </Link>
  );
  if (inA.data === undefined || inB.data === undefined || comparison.data === undefined) {
    if (error === null) return <Loading label={`Comparing feature ${featureId}…`} />;
    const retry = () => {
      for (const part of parts) if (part.isError) void part.refetch();
    };
    return (
      <ErrorMessage error={error} onRetry={retry}>
        {back}
      </ErrorMessage>
    );
  }
  const [feature] = comparison.data.features;
  const examples = {
    maximum: Math.max(inA.data.max_act, inB.data.max_act),
    all: allExamples,
    onAll: (all: boolean) => {
      navigate(comparedFeaturePath(featureId, state, all), { replace: true });
    },
  };
  return (
    <div className="space-y-5">
      <StaleNote error={error} />
      <div className="flex flex-wrap items-center gap-x-5 gap-y-2">
        <h1 className="text-xl font-semibold tracking-tight tabular-nums">Feature {featureId} in two runs</h1>
        {back}
      </div>
      {feature === undefined ? (
        <p className="text-muted">It fired in neither run.</p>
      ) : (
        <div className="space-y-1">
          <p className="flex flex-wrap items-center gap-x-3 tabular-nums">
            log₂ ratio <ConfidenceIntervalBar interval={feature} /> {formatInterval(feature)}
          </p>
          <ConfidenceIntervalNote confidence={comparison.data.confidence} unit={comparison.data.unit} />
        </div>
      )}
      <div className="grid gap-6 md:grid-cols-2">
        <ComparedFeature side="a" info={inA.data} {...examples} />
        <ComparedFeature side="b" info={inB.data} {...examples} />
      </div>
    </div>
  );
}
