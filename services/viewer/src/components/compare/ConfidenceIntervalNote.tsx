/** What the log ratios and their intervals are, and what they aren't. */

import type { Comparison } from "../../apiTypes";

type Props = { confidence: number; unit: Comparison["unit"] };

export function ConfidenceIntervalNote({ confidence, unit }: Props) {
  return (
    <p className="max-w-4xl text-xs text-muted">
      The log₂ ratio is that of the density in b to the density in a, so +1 means twice as dense in b; the bar and the
      numbers in brackets are its {Math.round(100 * confidence)} % confidence interval, which{" "}
      {unit === "text"
        ? "takes whole texts for independent, and rows with the same text for one."
        : "takes tokens for independent: those of one text aren’t, so the true interval is wider."}
    </p>
  );
}
