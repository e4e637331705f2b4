/** Everything about one feature. */

import { Link } from "wouter";

import { isNotFound } from "../api";
import { AskModel } from "../components/ask/AskModel";
import { WayToAsk } from "../components/ask/WayToAsk";
import { DeadFeature } from "../components/feature/DeadFeature";
import { FeatureSentence } from "../components/feature/FeatureSentence";
import { FeatureTitle, LabelledTitle } from "../components/feature/FeatureTitle";
import { FiredFeature } from "../components/feature/FiredFeature";
import { Verdict } from "../components/feature/Verdict";
import { LabelEditor } from "../components/labels/LabelEditor";
import { Later } from "../components/Later";
import { LiveBanner } from "../components/LiveBanner";
import { ContentPlaceholder, ErrorMessage, Loading, StaleNote } from "../components/ContentPlaceholder";
import { PlaceInList } from "../components/PlaceInList";
import { NoFeaturesYet } from "../components/NoFeaturesYet";
import { usePageTitle, useScrollToTop, useViewState } from "../hooks/usePage";
import { IS_EMBEDDED } from "../lib/embedded";
import { featuresPath } from "../lib/viewState";
import { useFeature, usePlace, useRankingHead } from "../queries";
import { useLiveRun } from "../runQueries";

export function FeaturePage({ id }: { id: string }) {
  useScrollToTop();
  if (/^\d{1,15}$/.test(id)) return <NumberedFeature featureId={Number(id)} />;
  return (
    <ContentPlaceholder title={`“${id}” isn’t a feature`}>
      Features have numbers, from 0 on.{" "}
      <Link href="/" className="text-accent underline">
        All features
      </Link>
    </ContentPlaceholder>
  );
}

function NumberedFeature({ featureId }: { featureId: number }) {
  const state = useViewState();
  const feature = useFeature(featureId, state.run);
  const head = useRankingHead(state);
  const info = feature.data;
  const ranking = head.data;
  const metric = ranking?.metric ?? null;
  const place = usePlace(featureId, state);
  const live = useLiveRun(info?.run ?? state.run);

  usePageTitle(`Feature ${featureId}`);
  const error = feature.error ?? head.error ?? place.error;
  if (error !== null && (info === undefined || ranking === undefined)) {
    if (live !== undefined && isNotFound(head.error)) return <NoFeaturesYet run={live} state={state} />;
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
    <div className="space-y-3">
      <StaleNote error={error} />
      {live !== undefined && info !== undefined && (
        <LiveBanner key={live.id} runId={live.id} state={state} numRecords={info.num_records} />
      )}
      {info !== undefined && <Verdict run={info.run} />}
      <div className="space-y-0.5">
        <div className="flex flex-wrap items-center justify-between gap-x-5 gap-y-2">
          <div className="flex flex-wrap items-center gap-x-5 gap-y-2">
            {info === undefined ? (
              <FeatureTitle featureId={featureId} label={null} />
            ) : (
              <LabelledTitle featureId={featureId} run={info.run} />
            )}
            {info !== undefined && info.feature_id === featureId && !IS_EMBEDDED && (
              <LabelEditor featureId={featureId} run={info.run} />
            )}
            {info !== undefined && <WayToAsk />}
          </div>
          {ranking !== undefined && <PlaceInList place={place.data} sort={ranking.sort} state={state} />}
        </div>
        {info !== undefined && info.num_active_tokens > 0 && <FeatureSentence info={info} />}
      </div>
      {info === undefined ? (
        <Loading label={`Loading feature ${featureId}…`} />
      ) : (
        <div className={`space-y-4 ${feature.isPlaceholderData ? "opacity-50 transition-opacity delay-150" : ""}`}>
          {info.num_active_tokens === 0 ? (
            <DeadFeature info={info} state={state} />
          ) : (
            <FiredFeature info={info} descriptions={ranking?.metric_descriptions ?? {}} metric={metric} state={state} />
          )}
          <Later>
            <AskModel info={info} run={state.run} />
          </Later>
        </div>
      )}
    </div>
  );
}
