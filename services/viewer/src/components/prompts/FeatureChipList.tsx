/** A row's features as chips: one tab stop; arrow keys move from chip to chip. */

import { type KeyboardEvent, useState } from "react";

import type { RowFeature } from "../../apiTypes";
import { FeatureChip } from "./FeatureChip";

type Props = {
  label: string;
  features: readonly RowFeature[];
  run: string | null;
  labelOf?: ((feature: number) => string | null) | undefined;
};

export function FeatureChipList({ label, features, run, labelOf }: Props) {
  const [tabStop, setTabStop] = useState(0);
  const onKeyDown = (event: KeyboardEvent<HTMLElement>) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const chips = Array.from(event.currentTarget.querySelectorAll<HTMLElement>("[data-chip]"));
    const focused = chips.findIndex((chip) => chip === document.activeElement);
    const next = Math.min(Math.max(focused + step, 0), chips.length - 1);
    setTabStop(next);
    chips[next]?.focus();
  };
  const stop = Math.min(tabStop, features.length - 1);
  return (
    <ul aria-label={label} className="flex flex-wrap gap-x-1.5 gap-y-1" onKeyDown={onKeyDown}>
      {features.map((feature, position) => (
        <li key={feature.feature_id} className="max-w-full">
          <FeatureChip
            feature={feature}
            run={run}
            label={labelOf?.(feature.feature_id) ?? null}
            isTabStop={position === stop}
          />
        </li>
      ))}
    </ul>
  );
}
