/** All features of a text, as rows of a matrix and by token. Knows nothing of how that is drawn. */

import { formatExceeded } from "./format";
import type { MatrixCell, MatrixRow } from "./matrix";
import type { EncodedFeature } from "../apiTypes";
import type { RowOrder, TokenShare } from "./rowFeatures";

/** A feature's activation at a token. */
export type FiringAt = { feature: EncodedFeature; value: number };

/** An activation as a share of the largest that the feature has in the run; one that never fired there has none. */
export function shareAt({ max_activation: maximum }: EncodedFeature, value: number): number {
  return maximum > 0 ? Math.min(1, value / maximum) : 1;
}

/** The features, which come strongest first, as rows of a matrix in an order. */
export function encodedRows(features: readonly EncodedFeature[], order: RowOrder): MatrixRow[] {
  const sorted = {
    first: () => features.toSorted((a, b) => (a.at[0] ?? 0) - (b.at[0] ?? 0)),
    strongest: () => [...features],
    rarest: () => features.toSorted((a, b) => a.density - b.density),
  }[order]();
  return sorted.map((feature) => ({
    id: feature.feature_id,
    tokens: feature.tokens,
    density: feature.density,
    share: shareAt(feature, feature.largest),
    peak: feature.largest_at,
    strongerThan: feature.stronger_than,
    cells: new Map(
      feature.at.map((token, place): [number, MatrixCell] => {
        const value = feature.values[place] ?? 0;
        return [token, { value, share: shareAt(feature, value) }];
      }),
    ),
  }));
}

/** Which features fire at each token, the strongest of its own first. */
export function firingsAt(features: readonly EncodedFeature[]): ReadonlyMap<number, FiringAt[]> {
  const byToken = new Map<number, FiringAt[]>();
  for (const feature of features) {
    for (const [place, token] of feature.at.entries()) {
      const firing = { feature, value: feature.values[place] ?? 0 };
      const others = byToken.get(token);
      if (others === undefined) byToken.set(token, [firing]);
      else others.push(firing);
    }
  }
  for (const firings of byToken.values()) {
    firings.sort((one, other) => shareAt(other.feature, other.value) - shareAt(one.feature, one.value));
  }
  return byToken;
}

/** Each token's largest share of a feature's strongest, for colouring. */
export function largestShares(byToken: ReadonlyMap<number, FiringAt[]>): ReadonlyMap<number, TokenShare> {
  return new Map(
    [...byToken].map(([token, [strongest]]) => [
      token,
      { share: strongest === undefined ? 0 : shareAt(strongest.feature, strongest.value), isPointed: false },
    ]),
  );
}

/** "stronger than 99.7 % of its activations in your data". */
export function describeStrength({ stronger_than: share, max_activation: maximum }: EncodedFeature): string {
  if (maximum === 0 || share === null) return "it never fired in your data";
  return share === 1
    ? "stronger than all of its activations in your data"
    : `stronger than ${formatExceeded(share)} of its activations in your data`;
}
