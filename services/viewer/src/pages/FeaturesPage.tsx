/** The list of all features of a run: those that fired, ranked and filtered, or those that never did. */

import { Link, useLocation } from "wouter";

import { isNotFound, rankingUrl } from "../api";
import { DeadGrid } from "../components/features/DeadGrid";
import { FeatureTable } from "../components/features/FeatureTable";
import { ListBar } from "../components/features/ListBar";
import { NoneMatch } from "../components/features/NoneMatch";
import { LabelFiles } from "../components/labels/LabelFiles";
import { LiveBanner } from "../components/LiveBanner";
import { ErrorMessage, Loading, StaleNote } from "../components/ContentPlaceholder";
import { OrderNote } from "../components/features/OrderNote";
import { NoRuns } from "../components/NoRuns";
import { NoFeaturesYet } from "../components/NoFeaturesYet";
import { RunFacts } from "../components/RunFacts";
import { DownloadLinks } from "../components/DownloadLinks";
import { usePageTitle, useViewState } from "../hooks/usePage";
import { columnTitle } from "../lib/featureColumns";
import { listQuery } from "../lib/ranking";
import { featuresPath, type ViewState } from "../lib/viewState";
import { useFeatureList } from "../queries";
import { useLiveRun, useRuns } from "../runQueries";

export function FeaturesPage() {
  const state = useViewState();
  const [, navigate] = useLocation();
  const runs = useRuns();
  const list = useFeatureList(state);
  const ranking = list.data;
  const shownLive = useLiveRun(ranking?.run ?? state.run);
  const newestLive = useLiveRun(null);
  const live = shownLive ?? (state.run === null ? newestLive : undefined);

  usePageTitle(ranking === undefined ? "Features" : `Features by ${columnTitle(ranking.sort).toLowerCase()}`);

  if (runs.data?.length === 0) return <NoRuns />;
  const error = list.error ?? runs.error;
  if (ranking === undefined) {
    if (error === null) return <Loading label="Loading the features…" />;
    if (live !== undefined && isNotFound(list.error)) return <NoFeaturesYet run={live} state={state} />;
    const retry = () => {
      void runs.refetch();
      void list.refetch();
    };
    return (
      <ErrorMessage error={error} onRetry={retry}>
        <Link href="/" className="control text-ink">
          Newest run
        </Link>
      </ErrorMessage>
    );
  }

  const open = (next: ViewState, how: { replace: boolean }) => {
    navigate(featuresPath(next), how);
  };
  const List = list.shown.filters.dead ? DeadGrid : FeatureTable;
  const run = runs.data?.find((candidate) => candidate.id === ranking.run);
  return (
    <div className="space-y-4">
      <h1 className="sr-only">Features</h1>
      <StaleNote error={error} />
      {live !== undefined && (
        <LiveBanner
          key={live.id}
          runId={live.id}
          state={state}
          numRecords={live.id === ranking.run ? ranking.num_records : undefined}
        />
      )}
      {run !== undefined && <RunFacts run={run} ranking={ranking} state={state} />}
      <div>
        <ListBar ranking={ranking} state={state} onChange={open} />
        <OrderNote ranking={ranking} state={list.shown} />
        {(list.shown.filters.labelled || list.shown.filters.starred) && (
          <LabelFiles key={ranking.run} run={ranking.run} />
        )}
      </div>
      {ranking.num_matching === 0 ? (
        <NoneMatch ranking={ranking} state={list.shown} />
      ) : (
        <div className={`transition-opacity ${list.isChanging ? "opacity-50" : ""}`}>
          <List
            ranking={ranking}
            state={list.shown}
            onChange={(next, how) => {
              // the place in a list that is being left isn't one in the next
              if (!list.isChanging) open(next, how);
            }}
          />
        </div>
      )}
      <DownloadLinks
        address={rankingUrl({ ...listQuery(list.shown), run: ranking.run })}
        what="this list of features"
      />
      <p className="hidden text-xs text-faint sm:block">
        <kbd>j</kbd> <kbd>k</kbd> move, <kbd>Enter</kbd> opens, <kbd>/</kbd> finds features and rows
      </p>
    </div>
  );
}
