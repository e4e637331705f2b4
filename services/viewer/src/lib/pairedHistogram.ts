/** Two histograms of one feature on one axis: bins of equal width, as shares of each side's counted tokens. */

import type { FeatureInfo } from "../apiTypes";

export type PairedBin = { from: number; to: number; a: number; b: number; countA: number; countB: number };
type Counted = Pick<FeatureInfo, "hist" | "bin_width" | "num_tokens">;

/** All bins up to the last that either side has; none where the sides' bins differ, as they can't be joined then. */
export function pairedBins(a: Counted, b: Counted): PairedBin[] {
  if (a.bin_width !== b.bin_width) return [];
  const last = Math.max(0, ...[a, b].flatMap(({ hist }) => Object.keys(hist).map(Number)));
  return Array.from({ length: last }, (_, position) => {
    const index = String(position + 1);
    const [countA, countB] = [a.hist[index] ?? 0, b.hist[index] ?? 0];
    return {
      from: edge(position, a.bin_width),
      to: edge(position + 1, a.bin_width),
      a: countA / Math.max(1, a.num_tokens),
      b: countB / Math.max(1, b.num_tokens),
      countA,
      countB,
    };
  });
}

/** The smallest share that is drawn: half of what one token is where there are most. */
export function smallestShare(bins: readonly PairedBin[]): number {
  const shares = bins.flatMap(({ a, b }) => [a, b]).filter((share) => share > 0);
  return shares.length === 0 ? 1 : Math.min(...shares) / 2;
}

// 3 * 0.2 is 0.6000000000000001 in binary; edges are shown, so they are rounded to what they mean.
function edge(index: number, width: number): number {
  return Number((index * width).toPrecision(12));
}
