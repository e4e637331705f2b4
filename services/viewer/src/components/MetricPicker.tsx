/** Chooses what the features are ranked by, and the ranking's direction. */

import { useId } from "react";

import type { Ranking } from "../apiTypes";
import { columnTitle } from "../lib/featureColumns";
import { sortedBy } from "../lib/ranking";
import type { ViewState } from "../lib/viewState";
import { ORDER_NOTE_ID } from "./features/OrderNote";
import { OrderButton } from "./OrderButton";

type Props = { ranking: Ranking; state: ViewState; onChange: (state: ViewState) => void };

export function MetricPicker({ ranking, state, onChange }: Props) {
  const selectId = useId();
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
        aria-describedby={ORDER_NOTE_ID}
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
    </>
  );
}
