/** Which features fired where in a row. Knows nothing of how that is drawn. */

import type { RowFeature } from "../apiTypes";

/** The marker that is put before the text, counted as a token of the row. */
export const MARKER = -1;

/** Features by the token they fired on most strongly, in the order given. */
export function featuresByToken(features: readonly RowFeature[]): ReadonlyMap<number, RowFeature[]> {
  const byToken = new Map<number, RowFeature[]>();
  for (const feature of features) byToken.set(feature.token, [...(byToken.get(feature.token) ?? []), feature]);
  return byToken;
}

/** The number of the window, from 0, that a token is in; `windows` are the tokens at which windows begin. */
export function windowOf(token: number, windows: readonly number[]): number {
  return Math.max(
    0,
    windows.findLastIndex((begin) => begin <= token),
  );
}
