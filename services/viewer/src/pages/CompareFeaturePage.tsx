/** One feature on both sides of a comparison. */

import { type ReactNode, useMemo } from "react";
import { Link, useLocation, useSearch } from "wouter";

import type { Comparison, FeatureInfo } from "../apiTypes";
import { ComparedFeature } from "../components/compare/ComparedFeature";
import { ConfidenceIntervalNote } from "../components/compare/ConfidenceIntervalNote";
import { Difference } from "../components/compare/Difference";
import { HowToChoose } from "../components/compare/HowToChoose";
import { Chart } from "../components/Chart";
import { PairedHistogram } from "../components/compare/PairedHistogram";
import { SideStatistics } from "../components/compare/SideStatistics";
import { ContentPlaceholder, ErrorMessage, Loading, StaleNote } from "../components/ContentPlaceholder";
import { usePageTitle, useScrollToTop, useViewState } from "../hooks/usePage";
import { namesOfSides, type Side } from "../lib/compareSides";
import { comparedFeaturePath, comparePath, type CompareState, readCompareState } from "../lib/compareState";
import { describeDensities, describeQ, describeStrength } from "../lib/compareWords";
import { useFeature } from "../queries";
import { useComparison } from "../rowAndCompareQueries";
import { useRuns } from "../runQueries";

export function CompareFeaturePage({ id }: { id: string }) {
  useScrollToTop();
  const search = useSearch();
  const state = useMemo(() => readCompareState(search), [search]);
  const { a, b } = state;
  if (a !== null && b !== null && /^\d{1,15}$/.test(id)) {
    return <FeatureInBoth key={id} featureId={Number(id)} a={a} b={b} state={state} />;
  }
  if (/^\d{1,15}$/.test(id)) return <ChooseFor featureId={Number(id)} state={state} />;
  return (
    <ContentPlaceholder title={`“${id}” isn’t a feature`}>
      The address says which feature is compared, by its number.{" "}
      <Link href={comparePath(state)} className="text-accent underline">
        List all compared features
      </Link>
    </ContentPlaceholder>
  );
}

/** A feature of which the address doesn't say what it is compared in. */
function ChooseFor({ featureId, state }: { featureId: number; state: CompareState }) {
  const runs = useRuns();
  usePageTitle(`Compare feature ${featureId}`);
  if (runs.data === undefined) {
    if (runs.error === null) return <Loading label="Loading the runs…" />;
    return <ErrorMessage error={runs.error} onRetry={() => void runs.refetch()} />;
  }
  return (
    <>
      <h1 className="text-xl font-semibold tracking-tight tabular-nums">Compare feature {featureId}</h1>
      <HowToChoose
        runs={runs.data}
        chosen={state.a ?? state.b}
        pathTo={(sides) => comparedFeaturePath(featureId, { ...state, ...sides })}
      />
      <p className="text-center">
        <Link href={comparePath(state)} className="text-accent underline">
          Choose other runs
        </Link>
      </p>
    </>
  );
}

type Props = { featureId: number; a: string; b: string; state: CompareState };

function FeatureInBoth({ featureId, a, b, state }: Props) {
  const inA = useFeature(featureId, a);
  const inB = useFeature(featureId, b);
  const comparison = useComparison(state, featureId);

  usePageTitle(`Feature ${featureId} compared`);
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
  return (
    <div className="space-y-5">
      <StaleNote error={error} />
      <div className="flex flex-wrap items-center gap-x-5 gap-y-2">
        <h1 className="text-xl font-semibold tracking-tight tabular-nums">Feature {featureId} compared</h1>
        {back}
      </div>
      <BothSides
        featureId={featureId}
        infos={{ a: inA.data, b: inB.data }}
        comparison={comparison.data}
        state={state}
      />
    </div>
  );
}

type BothProps = {
  featureId: number;
  infos: Record<Side, FeatureInfo>;
  comparison: Comparison;
  state: CompareState;
};

function BothSides({ featureId, infos, comparison, state }: BothProps) {
  const runs = useRuns().data ?? [];
  const { allExamples } = useViewState();
  const [, navigate] = useLocation();
  const names = namesOfSides(comparison, runs, state, new Date());
  const isOneRun = comparison.a.run === comparison.b.run;
  const isOfWholeRuns = state.partA === null && state.partB === null;
  const examples = {
    maximum: Math.max(infos.a.max_act, infos.b.max_act),
    all: allExamples,
    onAll: (all: boolean) => {
      navigate(comparedFeaturePath(featureId, state, all), { replace: true });
    },
  };
  return (
    <>
      <Verdict comparison={comparison} names={names} infos={isOfWholeRuns ? infos : null}>
        {isOfWholeRuns && !isOneRun && (
          <Chart name={`feature-${infos.a.feature_id}-compared`}>
            <PairedHistogram a={infos.a} b={infos.b} />
          </Chart>
        )}
      </Verdict>
      {isOneRun ? (
        <ComparedFeature side={null} name="" info={infos.a} {...examples} />
      ) : (
        <div className="grid gap-6 md:grid-cols-2">
          <ComparedFeature side="a" name={names.a} info={infos.a} {...examples} />
          <ComparedFeature side="b" name={names.b} info={infos.b} {...examples} />
        </div>
      )}
    </>
  );
}

type VerdictProps = {
  comparison: Comparison;
  names: Record<Side, string>;
  infos: Record<Side, FeatureInfo> | null;
  /** Beside the figures. */
  children: ReactNode;
};

/** Whether it differs, by how much, and the figures of both sides. */
function Verdict({ comparison, names, infos, children }: VerdictProps) {
  const [feature] = comparison.features;
  if (feature === undefined) return <p className="text-muted">It fires on neither side.</p>;
  const [q, strength] = [describeQ(feature), describeStrength(feature)];
  return (
    <div className="space-y-3">
      <p className="text-base tabular-nums">
        {describeDensities(feature)} {strength}
      </p>
      <p className="flex flex-wrap items-center gap-x-3 tabular-nums">
        <Difference feature={feature} />
        {q !== null && <span className="text-sm text-muted">{q}</span>}
      </p>
      <div className="grid items-start gap-6 lg:grid-cols-2">
        <SideStatistics comparison={comparison} feature={feature} names={names} infos={infos} />
        {children}
      </div>
      <details>
        <summary className="w-fit cursor-pointer text-xs text-accent">What the numbers are</summary>
        <ConfidenceIntervalNote confidence={comparison.confidence} unit={comparison.unit} />
      </details>
    </div>
  );
}
