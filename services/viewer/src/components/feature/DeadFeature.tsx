/** A feature that never fired: what follows from its weights is known all the same. */

import type { FeatureInfo } from "../../apiTypes";
import { formatPlural } from "../../lib/format";
import type { ViewState } from "../../lib/viewState";
import { WeightFacts } from "./FeatureFacts";

export function DeadFeature({ info, state }: { info: FeatureInfo; state: ViewState }) {
  return (
    <div className="max-w-3xl space-y-6">
      <section>
        <h2 className="font-semibold">This feature never fired</h2>
        <p className="text-muted">
          It was inactive at all {formatPlural(info.num_tokens, "token")} of this run, so it has no statistics and no
          texts. Other text may activate it. What follows is known from the weights alone.
        </p>
      </section>
      <WeightFacts info={info} state={state} />
    </div>
  );
}
