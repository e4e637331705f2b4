/** Chooses what the features are ranked by, and the ranking's direction. */

import { useId } from "react";

import type { Ranking } from "../apiTypes";
import { columnTitle } from "../lib/featureColumns";
import { sortedBy } from "../lib/ranking";
import type { ViewState } from "../lib/viewState";
import { OrderButton } from "./OrderButton";

/** What lists can be ordered by besides metrics, and what isn't said by the name. */
const OTHER_DESCRIPTIONS: Record<string, string> = {
  suggested: "Strong on few tokens, in ten texts or more, and not everywhere.",
  early_share: "Share of its firings at the beginning of windows.",
  cut_share: "Share of its firings where rows were cut into windows.",
  token_share: "Share of its firings that are on these tokens.",
};

type Props = { ranking: Ranking; state: ViewState; onChange: (state: ViewState) => void };

export function MetricPicker({ ranking, state, onChange }: Props) {
  const selectId = useId();
  const descriptionId = useId();
  const { sort, order } = ranking;
  const others = ranking.sorts_available.filter((name) => !ranking.metrics_available.includes(name));
  return (
    <>
      <label htmlFor={selectId} className="text-muted">
        Ranked by
      </label>
      <select
        id={selectId}
        className="control font-medium"
        aria-describedby={descriptionId}
        value={sort}
        onChange={(event) => {
          onChange(sortedBy(state, event.target.value, ranking));
        }}
      >
        <optgroup label="Metrics">
          {ranking.metrics_available.map((name) => (
            <option key={name} value={name}>
              {columnTitle(name)}
            </option>
          ))}
        </optgroup>
        <optgroup label="Else">
          {others.map((name) => (
            <option key={name} value={name}>
              {columnTitle(name)}
            </option>
          ))}
        </optgroup>
      </select>
      <OrderButton
        order={order}
        onTurn={() => {
          onChange(sortedBy(state, sort, ranking));
        }}
      />
      <p id={descriptionId} className="text-muted max-sm:basis-full">
        {ranking.metric_descriptions[sort] ?? OTHER_DESCRIPTIONS[sort]}
      </p>
    </>
  );
}
