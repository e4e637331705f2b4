/** The order of a row's features: one of three. One tab stop, in which arrow keys choose. */

import type { KeyboardEvent } from "react";

import type { RowOrder } from "../../lib/rowFeatures";

const ORDERS: [RowOrder, string][] = [
  ["first", "by first token"],
  ["strongest", "strongest"],
  ["rarest", "rarest in the dataset"],
];

type Props = { order: RowOrder; onOrder: (order: RowOrder) => void };

export function OrderSwitch({ order, onOrder }: Props) {
  const onKeyDown = (event: KeyboardEvent<HTMLElement>) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault(); // also keeps the page from going to the next row
    const at = ORDERS.findIndex(([value]) => value === order);
    const next = (at + step + ORDERS.length) % ORDERS.length;
    event.currentTarget.querySelectorAll<HTMLElement>("[role=radio]")[next]?.focus();
    onOrder(ORDERS[next]?.[0] ?? order);
  };
  return (
    <div
      role="radiogroup"
      aria-label="Order of the features"
      className="flex flex-wrap items-center gap-x-3 gap-y-1"
      onKeyDown={onKeyDown}
    >
      {ORDERS.map(([value, name]) => (
        <button
          key={value}
          type="button"
          role="radio"
          aria-checked={value === order}
          tabIndex={value === order ? 0 : -1}
          className={
            value === order
              ? "font-semibold underline decoration-2 underline-offset-4"
              : "text-muted hover:text-ink hover:underline"
          }
          onClick={() => {
            onOrder(value);
          }}
        >
          {name}
        </button>
      ))}
    </div>
  );
}
