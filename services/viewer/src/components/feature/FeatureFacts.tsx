/** What is known of a feature besides its texts: the column beside the examples. */

import type { FeatureInfo } from "../../apiTypes";
import type { Band } from "../../lib/bands";
import { formatRest } from "../../lib/format";
import type { ViewState } from "../../lib/viewState";
import { Chart } from "../Chart";
import { CopyLink } from "../CopyLink";
import { FeatureMetrics } from "../FeatureMetrics";
import { FeatureStatistics } from "../FeatureStatistics";
import { Histogram } from "../Histogram";
import { Later } from "../Later";
import { FeatureEffects } from "./FeatureEffects";
import { FeatureJson } from "./FeatureJson";
import { Logits } from "./Logits";
import { Neighbours } from "./Neighbours";
import { Missing } from "./Panel";
import { PositionsPanel } from "./PositionsPanel";
import { TokenTable } from "./TokenTable";

type Props = {
  info: FeatureInfo;
  bands: Band[];
  chosen: Band | undefined;
  descriptions: Record<string, string>;
  metric: string | null;
  state: ViewState;
  onChange: (part: Partial<ViewState>) => void;
};

export function FeatureFacts({ info, bands, chosen, descriptions, metric, state, onChange }: Props) {
  return (
    <div className="min-w-0 space-y-4">
      <Chart name={`feature-${info.feature_id}-activations`}>
        <Histogram
          hist={info.hist}
          binWidth={info.bin_width}
          bands={bands}
          chosen={chosen}
          onChoose={(band) => {
            onChange({ band: band?.above ?? null, shown: "strength" });
          }}
          note={`silent at ${formatRest(info.density)} of tokens`}
        />
      </Chart>
      <Later>
        <TokenTable key={info.feature_id} info={info} bands={bands} />
        <WeightFacts info={info} state={state} />
        {info.positions !== undefined && <PositionsPanel positions={info.positions} />}
        <FeatureEffects effects={info.effects ?? []} />
        <details className="text-muted">
          <summary className="cursor-pointer">All statistics</summary>
          <div className="mt-2 grid gap-x-8 gap-y-4 text-xs text-ink sm:grid-cols-2 lg:grid-cols-1">
            <FeatureStatistics info={info} />
            <FeatureMetrics
              featureId={info.feature_id}
              values={info.metrics}
              descriptions={descriptions}
              current={metric}
              state={state}
            />
          </div>
        </details>
        <div className="no-print text-xs text-muted">
          <FeatureJson info={info} />
          <p className="mt-1 flex flex-wrap gap-x-4">
            <CopyLink run={info.run} />
            {(info.elsewhere ?? []).map(({ site, url, verified }) => (
              <a key={url} href={url} target="_blank" rel="noreferrer" className="text-accent hover:underline">
                On {site}
                {!verified && " (not verified to be the same feature)"}
              </a>
            ))}
          </p>
        </div>
      </Later>
    </div>
  );
}

/** What follows from the weights alone, so it is known of a feature that never fired too. */
export function WeightFacts({ info, state }: { info: FeatureInfo; state: ViewState }) {
  return (
    <>
      {info.logit_effects === null ? (
        <Missing title="Makes likelier, less likely" why={info.missing?.logit_effects} />
      ) : (
        <Logits logits={info.logit_effects} />
      )}
      <Neighbours info={info} state={state} />
    </>
  );
}
