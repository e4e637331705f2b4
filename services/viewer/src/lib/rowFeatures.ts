/** Which features fired where in a row. Knows nothing of how that is drawn. */

import type { DescribedRowFeature, FiringFeature, RowFeature } from "../apiTypes";
import type { MatrixCell, MatrixRow } from "./matrix";

/** The marker that is put before the text, counted as a token of the row. */
export const MARKER = -1;

export type RowOrder = "first" | "strongest" | "rarest";

/** A token's number as people read it: the first of a row is 1, as its position in its window where a marker is 0. */
export function tokenNumber(index: number): number {
  return index + 1;
}

/** A feature's activation as a share of the largest it has in the run. */
export function shareOf({
  activation,
  max_activation: maximum,
}: Pick<RowFeature, "activation" | "max_activation">): number {
  return maximum > 0 ? Math.min(1, activation / maximum) : 0;
}

/** Features by the token they fired on most strongly, in the order given. */
export function featuresByToken<Feature extends RowFeature>(
  features: readonly Feature[],
): ReadonlyMap<number, Feature[]> {
  const byToken = new Map<number, Feature[]>();
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

/** Which features fire at some of a row's tokens: ids by token, the marker included. */
export type Firings = ReadonlyMap<number, readonly number[]>;

export function firingsByToken(answer: { first: number; marker: number[]; tokens: number[][] }): Firings {
  return new Map([
    [MARKER, answer.marker],
    ...answer.tokens.map((ids, position): [number, number[]] => [answer.first + position, ids]),
  ]);
}

/** The tokens at which each feature fires, in their order. */
export function tokensByFeature(firings: Firings): ReadonlyMap<number, number[]> {
  const byFeature = new Map<number, number[]>();
  for (const [token, ids] of firings) {
    for (const id of ids) {
      const tokens = byFeature.get(id);
      if (tokens === undefined) byFeature.set(id, [token]);
      else tokens.push(token);
    }
  }
  return byFeature;
}

/** How strongly each feature fires at tokens: by feature and token. What isn't there isn't known. */
export type FiringValues = ReadonlyMap<number, ReadonlyMap<number, number>>;

/** An answer's values; none if the run didn't save its activations. */
export function firingValues(answer: {
  first: number;
  marker: number[];
  tokens: number[][];
  marker_values?: number[];
  values?: number[][];
}): FiringValues {
  const byFeature = new Map<number, Map<number, number>>();
  const add = (token: number, ids: readonly number[], values: readonly number[] | undefined) => {
    ids.forEach((id, position) => {
      const value = values?.[position];
      if (value === undefined) return;
      const own = byFeature.get(id) ?? new Map<number, number>();
      byFeature.set(id, own.set(token, value));
    });
  };
  add(MARKER, answer.marker, answer.marker_values);
  answer.tokens.forEach((ids, position) => {
    add(answer.first + position, ids, answer.values?.[position]);
  });
  return byFeature;
}

/** The strongest features as rows of a matrix, in an order; with firings also where else they fire. */
export function strongestRows(
  features: readonly DescribedRowFeature[],
  order: RowOrder,
  firedAt: ReadonlyMap<number, readonly number[]> | null,
  values?: FiringValues,
): MatrixRow[] {
  const first = (feature: DescribedRowFeature) =>
    Math.min(feature.token, ...(firedAt?.get(feature.feature_id)?.slice(0, 1) ?? []));
  const sorted = {
    first: () => features.toSorted((a, b) => first(a) - first(b)),
    strongest: () => [...features],
    rarest: () => features.toSorted((a, b) => a.density - b.density),
  }[order]();
  return sorted.map((feature) => ({
    id: feature.feature_id,
    tokens: feature.tokens,
    density: feature.density,
    share: shareOf(feature),
    peak: feature.token,
    cells: new Map<number, MatrixCell>([
      ...marks(feature, firedAt, values),
      [feature.token, { value: feature.activation, share: shareOf(feature) }],
    ]),
  }));
}

/** The other features that fire in a row as rows of a matrix; without values only the places of firings are known. */
export function otherRows(
  features: readonly FiringFeature[],
  firedAt: ReadonlyMap<number, readonly number[]>,
  values?: FiringValues,
): MatrixRow[] {
  return features.map((feature) => ({
    id: feature.feature_id,
    tokens: feature.tokens,
    density: feature.density,
    share: feature.activation === undefined ? null : shareOf({ ...feature, activation: feature.activation }),
    peak: feature.token ?? null,
    cells: new Map(marks(feature, firedAt, values)),
  }));
}

function marks(
  feature: { feature_id: number; max_activation: number },
  firedAt: ReadonlyMap<number, readonly number[]> | null,
  values?: FiringValues,
): [number, MatrixCell][] {
  const own = values?.get(feature.feature_id);
  return (firedAt?.get(feature.feature_id) ?? []).map((token) => {
    const value = own?.get(token) ?? null;
    const share = value === null ? null : shareOf({ activation: value, max_activation: feature.max_activation });
    return [token, { value, share }];
  });
}

/** How a token is marked: its share of a feature's strongest (0: not known), and whether this is of the feature pointed at. */
export type TokenShare = { share: number; isPointed: boolean };

/** Each token's largest share of a feature's strongest. */
export function sharesByToken(firedOn: ReadonlyMap<number, RowFeature[]>): ReadonlyMap<number, TokenShare> {
  return new Map(
    [...firedOn].map(([token, features]) => [
      token,
      { share: Math.max(...features.map((feature) => shareOf(feature))), isPointed: false },
    ]),
  );
}

/** The tokens of the feature that is pointed at. */
export function sharesOfOne({ cells }: MatrixRow): ReadonlyMap<number, TokenShare> {
  return new Map([...cells].map(([token, { share }]) => [token, { share: share ?? 0, isPointed: true }]));
}
