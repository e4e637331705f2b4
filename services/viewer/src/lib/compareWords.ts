/** A compared feature in words. Knows nothing of pages. */

import type { ComparedFeature } from "../apiTypes";
import { excludesZero, formatFactor } from "./confidenceInterval";
import { formatShare } from "./format";

const FOUND_RATE = 0.05;

/** Whether the feature counts as different: by its q, or where only tokens were compared by its interval. */
export function differs(feature: ComparedFeature): boolean {
  if (feature.q === undefined) return excludesZero(feature);
  return feature.q !== null && feature.q <= FOUND_RATE;
}

/** "3.2× in B", "only in A", "1.1× in B, not sure". */
export function describeDifference(feature: ComparedFeature): string {
  const { a, b, log_ratio: ratio } = feature;
  const sure = differs(feature) ? "" : ", not sure";
  if (a.num_active_tokens === 0) return `only in B${sure}`;
  if (b.num_active_tokens === 0) return `only in A${sure}`;
  const factor = formatFactor(ratio);
  if (factor === "1.0×" || factor === "1×") return `as often${sure}`;
  return `${factor} in ${ratio > 0 ? "B" : "A"}${sure}`;
}

/** "It fires 3.2× as often in B as in A: at 0.43 % of the tokens, not 0.13 %." */
export function describeDensities(feature: ComparedFeature): string {
  const { a, b, log_ratio: ratio } = feature;
  if (a.num_active_tokens === 0) return `It fires at ${formatShare(b.density)} of the tokens in B, and never in A.`;
  if (b.num_active_tokens === 0) return `It fires at ${formatShare(a.density)} of the tokens in A, and never in B.`;
  const [most, least, names] = ratio > 0 ? [b, a, ["B", "A"]] : [a, b, ["A", "B"]];
  const shares = `at ${formatShare(most.density)} of the tokens, not ${formatShare(least.density)}`;
  const sure = differs(feature) ? "" : " That may be chance.";
  return `It fires ${formatFactor(ratio)} as often in ${names.join(" as in ")}: ${shares}.${sure}`;
}

/** "q = 0.003", "q < 0.001"; null where the feature wasn't tested. */
export function describeQ(feature: ComparedFeature): string | null {
  if (feature.q == null) return null;
  return feature.q < 0.001 ? "q < 0.001" : `q = ${feature.q.toPrecision(2)}`;
}

/** "Where it fires, it is stronger in B: 62 % of pairs." Null where histograms are of more than what is compared. */
export function describeStrength({ b_stronger: share }: ComparedFeature): string | null {
  if (share == null) return null;
  const percent = (value: number) => `${Math.round(100 * value)} %`;
  if (Math.abs(share - 0.5) < 0.025) return "Where it fires, it is about as strong in A as in B.";
  const [side, other] = share > 0.5 ? ["B", "A"] : ["A", "B"];
  const pairs = percent(Math.max(share, 1 - share));
  return `Where it fires, it is stronger in ${side} than in ${other}: in ${pairs} of pairs of activations, one of each.`;
}
