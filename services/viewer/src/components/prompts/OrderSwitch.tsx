/** The order of a row's features: one of three. */

import type { RowOrder } from "../../lib/rowFeatures";

const ORDERS: [RowOrder, string][] = [
  ["first", "by first token"],
  ["strongest", "strongest"],
  ["rarest", "rarest in the dataset"],
];

type Props = { order: RowOrder; onOrder: (order: RowOrder) => void };

export function OrderSwitch({ order, onOrder }: Props) {
  return (
    <fieldset className="flex flex-wrap items-center gap-x-3 gap-y-1">
      <legend className="sr-only">Order of the features</legend>
      {ORDERS.map(([value, name]) => (
        <label
          key={value}
          className={`rounded-sm has-focus-visible:outline-2 has-focus-visible:outline-accent ${value === order ? "font-semibold underline decoration-2 underline-offset-4" : "text-muted hover:text-ink"}`}
        >
          <input
            type="radio"
            name="order"
            className="sr-only"
            checked={value === order}
            onChange={() => {
              onOrder(value);
            }}
          />
          {name}
        </label>
      ))}
    </fieldset>
  );
}
