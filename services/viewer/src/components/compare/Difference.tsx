/** How differently a feature fires, as a picture, as a factor in words, and as the exact interval. */

import type { ComparedFeature } from "../../apiTypes";
import { describeDifference, differs } from "../../lib/compareWords";
import { formatInterval } from "../../lib/confidenceInterval";
import { ConfidenceIntervalBar } from "./ConfidenceIntervalBar";
import { SIDE_TEXT } from "./SideBadge";

export function Difference({ feature, end }: { feature: ComparedFeature; end?: number }) {
  const isSure = differs(feature);
  const colour = isSure ? SIDE_TEXT[feature.log_ratio > 0 ? "b" : "a"] : "text-muted";
  return (
    <>
      <ConfidenceIntervalBar interval={feature} differs={isSure} {...(end === undefined ? {} : { end })} />
      <span className="min-w-0">
        <span className={`font-medium ${colour}`}>{describeDifference(feature)}</span>{" "}
        <span className="block text-xs text-muted">{formatInterval(feature)}</span>
      </span>
    </>
  );
}
