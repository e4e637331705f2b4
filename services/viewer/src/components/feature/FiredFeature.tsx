/** What is known of a feature that fired: what it is said to mean, statistics, what it does, and its texts. */

import { useLocation } from "wouter";

import type { FeatureInfo } from "../../apiTypes";
import { formatNumber } from "../../lib/format";
import { featurePath, type ViewState } from "../../lib/viewState";
import { Examples } from "../Examples";
import { Histogram } from "../Histogram";
import { FeatureMetrics } from "../FeatureMetrics";
import { FeatureStatistics } from "../FeatureStatistics";
import { FeatureEffects } from "./FeatureEffects";
import { FeatureExplanations } from "./FeatureExplanations";
import { FeatureJson } from "./FeatureJson";
import { Logits } from "./Logits";

type Props = { info: FeatureInfo; descriptions: Record<string, string>; metric: string | null; state: ViewState };

export function FiredFeature({ info, descriptions, metric, state }: Props) {
  const [, navigate] = useLocation();
  const change = (part: Partial<ViewState>) => {
    navigate(featurePath(info.feature_id, { ...state, ...part }), { replace: true });
  };
  const examples = {
    run: info.run,
    maximum: info.max_act,
    breakLines: state.newlines,
    all: state.allExamples,
    onAll: (allExamples: boolean) => {
      change({ allExamples });
    },
  };
  return (
    <div className="space-y-6">
      <FeatureExplanations explanations={info.explanations ?? []} />
      <div className="grid gap-4 lg:grid-cols-[minmax(0,1fr)_minmax(0,34rem)]">
        <div className="panel min-w-0 px-4 py-3">
          <Histogram hist={info.hist} binWidth={info.bin_width} />
        </div>
        <div className="panel grid gap-x-8 gap-y-4 px-4 py-3 sm:grid-cols-2">
          <FeatureStatistics info={info} />
          <div className="space-y-4">
            <FeatureMetrics
              featureId={info.feature_id}
              values={info.metrics}
              descriptions={descriptions}
              current={metric}
              state={state}
            />
            <FeatureEffects effects={info.effects ?? []} />
          </div>
        </div>
      </div>
      {info.logit_effects !== null && <Logits logits={info.logit_effects} />}
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
            checked={state.newlines}
            onChange={(event) => {
              change({ newlines: event.target.checked });
            }}
          />
          show newlines
        </label>
        <FeatureJson info={info} />
      </div>
      <div className="grid gap-x-6 gap-y-6 xl:grid-cols-2">
        <Examples
          title="Top activations"
          note="the strongest, each from a different text"
          sequences={info.top}
          {...examples}
        />
        <Examples
          title="Random activations"
          note="a uniform sample of the tokens that it fired on, framed"
          sequences={info.random}
          {...examples}
        />
      </div>
    </div>
  );
}
