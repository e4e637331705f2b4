/** What is known of a feature that fired: its texts, and beside them what it fires on and what it does. */

import { useMemo } from "react";
import { useLocation } from "wouter";

import type { FeatureInfo } from "../../apiTypes";
import { bandsOf } from "../../lib/bands";
import { featurePath, type ViewState } from "../../lib/viewState";
import { FeatureExamples } from "./FeatureExamples";
import { FeatureExplanations } from "./FeatureExplanations";
import { FeatureFacts } from "./FeatureFacts";

type Props = { info: FeatureInfo; descriptions: Record<string, string>; metric: string | null; state: ViewState };

export function FiredFeature({ info, descriptions, metric, state }: Props) {
  const [, navigate] = useLocation();
  const bands = useMemo(() => bandsOf(info), [info]);
  const chosen = bands.find(({ above }) => above === state.band);
  const parts = {
    info,
    bands,
    chosen,
    state,
    onChange: (part: Partial<ViewState>) => {
      navigate(featurePath(info.feature_id, { ...state, ...part }), { replace: true });
    },
  };
  return (
    <div className="space-y-4">
      <FeatureExplanations explanations={info.explanations ?? []} />
      <div className="feature-columns grid gap-x-8 gap-y-6">
        <FeatureExamples {...parts} />
        <FeatureFacts {...parts} descriptions={descriptions} metric={metric} />
      </div>
    </div>
  );
}
