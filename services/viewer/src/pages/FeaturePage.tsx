/** Everything about one feature. */

import { useState } from "react";
import { Link } from "wouter";

import { isNotFound } from "../api";
import type { FeatureInfo } from "../apiTypes";
import { Examples } from "../components/Examples";
import { Histogram } from "../components/Histogram";
import { LiveBanner } from "../components/LiveBanner";
import { ErrorMessage, Loading, Message, StaleNote } from "../components/Message";
import { Metrics } from "../components/Metrics";
import { Neighbours } from "../components/Neighbours";
import { NothingYet } from "../components/NothingYet";
import { Statistics } from "../components/Statistics";
import { usePageTitle, useScrollToTop, useViewState } from "../hooks/usePage";
import { formatNumber, formatPlural } from "../lib/format";
import { featuresPath, type ViewState } from "../lib/viewState";
import { useFeature, usePlace, useRankingHead } from "../queries";
import { useLiveRun } from "../runQueries";

export function FeaturePage({ id }: { id: string }) {
  useScrollToTop();
  if (/^\d{1,15}$/.test(id)) return <NumberedFeature featureId={Number(id)} />;
  return (
    <Message title={`“${id}” isn’t a feature`}>
      Features have numbers, from 0 on.{" "}
      <Link href="/" className="text-accent underline">
        All features
      </Link>
    </Message>
  );
}

function NumberedFeature({ featureId }: { featureId: number }) {
  const state = useViewState();
  const feature = useFeature(featureId, state.run);
  const head = useRankingHead(state);
  const info = feature.data;
  const ranking = head.data;
  const metric = ranking?.metric ?? null;
  const isCurrent = info !== undefined && info.feature_id === featureId && !head.isPlaceholderData;
  const value = isCurrent && metric !== null && info.num_active_tokens > 0 ? info.metrics[metric] : undefined;
  const place = usePlace(featureId, state, value, ranking?.num_active_features);
  const live = useLiveRun(info?.run ?? state.run);

  usePageTitle(`Feature ${featureId}`);
  const error = feature.error ?? head.error ?? place.error;
  if (error !== null && (info === undefined || ranking === undefined)) {
    if (live !== undefined && isNotFound(head.error)) return <NothingYet run={live} state={state} />;
    const retry = () => {
      void feature.refetch();
      void head.refetch();
      if (place.isError) void place.refetch();
    };
    return (
      <ErrorMessage error={error} onRetry={retry}>
        <Link href={featuresPath({ ...state, offset: 0 })} className="control text-ink">
          All features
        </Link>
      </ErrorMessage>
    );
  }
  return (
    <div className="space-y-5">
      <StaleNote error={error} />
      {live !== undefined && info !== undefined && (
        <LiveBanner key={live.id} runId={live.id} state={state} numRecords={info.num_records} />
      )}
      <div className="flex flex-wrap items-center gap-x-5 gap-y-2">
        <h1 className="text-xl font-semibold tracking-tight tabular-nums">Feature {featureId}</h1>
        {ranking !== undefined && (
          <Neighbours
            place={place.data ?? null}
            metric={ranking.metric}
            total={ranking.num_active_features}
            state={state}
          />
        )}
      </div>
      {info === undefined ? (
        <Loading label={`Loading feature ${featureId}…`} />
      ) : (
        <div className={feature.isPlaceholderData ? "opacity-50 transition-opacity delay-150" : ""}>
          {info.num_active_tokens === 0 ? (
            <NeverFired info={info} />
          ) : (
            <FiredFeature info={info} descriptions={ranking?.metric_descriptions ?? {}} metric={metric} state={state} />
          )}
        </div>
      )}
    </div>
  );
}

function NeverFired({ info }: { info: FeatureInfo }) {
  return (
    <Message title="This feature never fired">
      It was inactive at all {formatPlural(info.num_tokens, "token")} of this run, so it has no statistics and no texts.
      Other text may activate it.
    </Message>
  );
}

type FiredProps = { info: FeatureInfo; descriptions: Record<string, string>; metric: string | null; state: ViewState };

function FiredFeature({ info, descriptions, metric, state }: FiredProps) {
  const [breakLines, setBreakLines] = useState(false);
  return (
    <div className="space-y-6">
      <div className="grid gap-4 lg:grid-cols-[minmax(0,1fr)_minmax(0,34rem)]">
        <div className="panel min-w-0 px-4 py-3">
          <Histogram hist={info.hist} binWidth={info.bin_width} />
        </div>
        <div className="panel grid gap-x-8 gap-y-4 px-4 py-3 sm:grid-cols-2">
          <Statistics info={info} />
          <Metrics
            featureId={info.feature_id}
            values={info.metrics}
            descriptions={descriptions}
            current={metric}
            state={state}
          />
        </div>
      </div>
      <div className="flex flex-wrap items-center gap-x-6 gap-y-2 text-muted">
        <span className="flex items-center gap-2 text-xs">
          0
          <span className="heat-scale h-3 w-28 rounded-xs border border-line" aria-hidden="true" />
          {formatNumber(info.max_act)}
        </span>
        <label className="flex items-center gap-1.5">
          <input
            type="checkbox"
            className="accent-accent"
            checked={breakLines}
            onChange={(event) => {
              setBreakLines(event.target.checked);
            }}
          />
          show newlines
        </label>
        <span className="ml-auto hidden text-xs text-faint sm:block">
          <kbd>j</kbd> <kbd>k</kbd> or <kbd>→</kbd> <kbd>←</kbd> next and previous feature, in a text from token to
          token
        </span>
      </div>
      <div key={info.feature_id} className="grid gap-x-6 gap-y-6 xl:grid-cols-2">
        <Examples
          title="Top activations"
          note="the strongest, each from a different text"
          sequences={info.top}
          maximum={info.max_act}
          breakLines={breakLines}
        />
        <Examples
          title="Random activations"
          note="a uniform sample of the tokens that it fired on, framed"
          sequences={info.random}
          maximum={info.max_act}
          breakLines={breakLines}
        />
      </div>
    </div>
  );
}
