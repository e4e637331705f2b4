/** The ranked list of all features that fired. */

import { Link, useLocation } from "wouter";

import { isNotFound } from "../api";
import { LiveBanner } from "../components/LiveBanner";
import { ErrorMessage, Loading, Message, StaleNote } from "../components/Message";
import { MetricPicker } from "../components/MetricPicker";
import { NoRuns } from "../components/NoRuns";
import { NothingYet } from "../components/NothingYet";
import { Pagination } from "../components/Pagination";
import { RankingTable } from "../components/RankingTable";
import { RunFacts } from "../components/RunFacts";
import { usePageTitle, useScrollToTop, useViewState } from "../hooks/usePage";
import { useShortcuts } from "../hooks/useShortcuts";
import { metricTitle } from "../lib/format";
import { PAGE_SIZE } from "../lib/ranking";
import { featuresPath } from "../lib/viewState";
import { useRanking, useRankingHead } from "../queries";
import { useLiveRun, useRuns } from "../runQueries";

export function FeaturesPage() {
  const state = useViewState();
  const [, navigate] = useLocation();
  const runs = useRuns();
  const ranking = useRanking(state);
  const head = useRankingHead(state);
  const shownLive = useLiveRun(ranking.data?.run ?? state.run);
  const newestLive = useLiveRun(null);
  const live = shownLive ?? (state.run === null ? newestLive : undefined);

  useScrollToTop();
  usePageTitle(
    ranking.data === undefined ? "Features" : `Features by ${metricTitle(ranking.data.metric).toLowerCase()}`,
  );
  const total = ranking.data?.num_active_features ?? 0;
  const turnPage = (step: number) => {
    const offset = state.offset + step * PAGE_SIZE;
    if (offset > -PAGE_SIZE && offset < total) navigate(featuresPath({ ...state, offset: Math.max(0, offset) }));
  };
  useShortcuts({
    ArrowRight: () => {
      turnPage(1);
    },
    ArrowLeft: () => {
      turnPage(-1);
    },
  });

  if (runs.data?.length === 0) return <NoRuns />;
  const error = ranking.error ?? runs.error;
  if (ranking.data === undefined) {
    if (error === null) return <Loading label="Loading the features…" />;
    if (live !== undefined && isNotFound(ranking.error)) return <NothingYet run={live} state={state} />;
    const retry = () => {
      void runs.refetch();
      void ranking.refetch();
    };
    return (
      <ErrorMessage error={error} onRetry={retry}>
        <Link href="/" className="control text-ink">
          Newest run
        </Link>
      </ErrorMessage>
    );
  }

  const run = runs.data?.find((candidate) => candidate.id === ranking.data.run);
  const largest = head.data?.features[0]?.value ?? 0;
  return (
    <div className="space-y-4">
      <h1 className="sr-only">Features</h1>
      <StaleNote error={error} />
      {live !== undefined && (
        <LiveBanner
          key={live.id}
          runId={live.id}
          state={state}
          numRecords={live.id === ranking.data.run ? ranking.data.num_records : undefined}
        />
      )}
      {run !== undefined && <RunFacts run={run} ranking={ranking.data} />}
      <MetricPicker
        metric={ranking.data.metric}
        available={ranking.data.metrics_available}
        descriptions={ranking.data.metric_descriptions}
        order={state.order}
        onChange={(metric, order) => {
          navigate(featuresPath({ ...state, metric, order, offset: 0 }));
        }}
      />
      {total === 0 ? (
        <Message title={ranking.data.live === true ? "No feature fired so far" : "No feature fired"}>
          At none of this run’s tokens was any feature active. Run over more rows, or check that the autoencoder belongs
          to this model, layer and location.
        </Message>
      ) : ranking.data.features.length === 0 ? (
        <Message title="The ranking is shorter than that">
          <Link href={featuresPath({ ...state, offset: 0 })} className="text-accent underline">
            Start at the first rank
          </Link>
        </Message>
      ) : (
        <div className={`space-y-3 transition-opacity ${ranking.isPlaceholderData ? "opacity-50" : ""}`}>
          <RankingTable ranking={ranking.data} state={state} largest={largest} />
          <Pagination
            offset={ranking.data.offset}
            pageSize={PAGE_SIZE}
            total={total}
            hrefAt={(offset) => featuresPath({ ...state, offset })}
          />
          <p className="hidden text-xs text-faint sm:block">
            <kbd>j</kbd> <kbd>k</kbd> move, <kbd>Enter</kbd> opens, <kbd>←</kbd> <kbd>→</kbd> turn the page,{" "}
            <kbd>/</kbd> goes to a feature by number
          </p>
        </div>
      )}
    </div>
  );
}
