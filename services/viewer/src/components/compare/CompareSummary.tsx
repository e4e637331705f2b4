/** How many features differ, and how many fire on one side only: the result at a glance, and the filter of the list. */

import type { ReactNode } from "react";

import type { Comparison } from "../../apiTypes";
import type { Shown } from "../../lib/compareState";
import { formatCount } from "../../lib/format";
import { SideBadge } from "./SideBadge";

type Props = { comparison: Comparison; shown: Shown; onShow: (shown: Shown) => void };
type Card = { value: Shown; number: number; title: ReactNode; note: ReactNode };

export function CompareSummary({ comparison, shown, onShow }: Props) {
  return (
    <fieldset>
      <legend className="sr-only">Which features are listed</legend>
      <div className="grid grid-cols-2 gap-2 lg:grid-cols-4">
        {cards(comparison).map(({ value, number, title, note }) => (
          <label
            key={value}
            className="panel flex cursor-pointer flex-col px-3 py-2 has-checked:border-accent has-checked:shadow-[inset_0_0_0_1px_var(--color-accent)] has-focus-visible:outline-2 has-focus-visible:outline-accent"
          >
            <span className="flex items-center gap-2">
              <input
                type="radio"
                name="shown"
                className="accent-accent"
                checked={value === shown}
                onChange={() => {
                  onShow(value);
                }}
              />
              <span className="text-xl leading-7 font-semibold tabular-nums">{formatCount(number)}</span>{" "}
              <span className="font-medium">{title}</span>
            </span>{" "}
            <span className="text-xs text-muted tabular-nums">{note}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}

function cards(comparison: Comparison): Card[] {
  const { num_found: found, num_tested: tested, num_found_denser_in_b: inB = 0 } = comparison;
  const differ: Card[] =
    found === undefined || tested === undefined
      ? []
      : [
          {
            value: "differ",
            number: found,
            title: "differ",
            note: (
              <>
                of {formatCount(tested)} tested, q ≤ 0.05: {formatCount(found - inB)} fire more in{" "}
                <SideBadge side="a" />, {formatCount(inB)} in <SideBadge side="b" />
              </>
            ),
          },
        ];
  return [
    ...differ,
    { value: "only_a", number: comparison.num_only_a, title: <OnlyIn side="a" />, note: "never fire in B" },
    { value: "only_b", number: comparison.num_only_b, title: <OnlyIn side="b" />, note: "never fire in A" },
    { value: "all", number: comparison.num_fired, title: "fire at all", note: "in A, in B or in both" },
  ];
}

function OnlyIn({ side }: { side: "a" | "b" }) {
  return (
    <>
      only in <SideBadge side={side} />
    </>
  );
}
