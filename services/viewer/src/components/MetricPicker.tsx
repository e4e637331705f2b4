/** Chooses the metric that ranks the features, and the ranking's direction. */

import { useId } from "react";

import { metricTitle } from "../lib/format";
import type { Order } from "../lib/viewState";

type Props = {
  metric: string;
  available: string[];
  descriptions: Record<string, string>;
  order: Order;
  onChange: (metric: string, order: Order) => void;
};

export function MetricPicker({ metric, available, descriptions, order, onChange }: Props) {
  const selectId = useId();
  const descriptionId = useId();
  return (
    <div className="flex flex-wrap items-center gap-x-3 gap-y-1.5">
      <label htmlFor={selectId} className="text-muted">
        Ranked by
      </label>
      <select
        id={selectId}
        className="control font-medium"
        aria-describedby={descriptionId}
        value={metric}
        onChange={(event) => {
          onChange(event.target.value, order);
        }}
      >
        {available.map((name) => (
          <option key={name} value={name}>
            {metricTitle(name)}
          </option>
        ))}
      </select>
      <button
        type="button"
        className="control"
        onClick={() => {
          onChange(metric, order === "desc" ? "asc" : "desc");
        }}
      >
        {order === "desc" ? "highest first ↓" : "lowest first ↑"}
      </button>
      <p id={descriptionId} className="basis-full text-muted md:basis-auto">
        {descriptions[metric]}
      </p>
    </div>
  );
}
