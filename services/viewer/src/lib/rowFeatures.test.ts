import { expect, test } from "vitest";

import {
  featuresByToken,
  firingsByToken,
  firingValues,
  otherRows,
  strongestRows,
  tokenNumber,
  tokensByFeature,
  windowOf,
} from "./rowFeatures";

test("features are found by the token they fired on, the strongest first", () => {
  const feature = (feature_id: number, token: number) => ({
    feature_id,
    activation: 9 - feature_id,
    token,
    token_str: "",
    max_activation: 10,
  });
  const byToken = featuresByToken([feature(1, 4), feature(2, -1), feature(3, 4)]);
  expect(byToken.get(4)?.map(({ feature_id }) => feature_id)).toEqual([1, 3]);
  expect(byToken.get(-1)?.map(({ feature_id }) => feature_id)).toEqual([2]);
  expect(byToken.get(0)).toBeUndefined();
});

test("a token is in the last window that begins at it or before it", () => {
  expect([0, 62, 63, 500].map((token) => windowOf(token, [0, 63, 126]))).toEqual([0, 0, 1, 2]);
  expect(windowOf(-1, [0, 63])).toBe(0);
});

const described = (feature_id: number, activation: number, token: number, density: number) => ({
  feature_id,
  activation,
  token,
  token_str: "",
  max_activation: 10,
  density,
  tokens: [],
});

test("a row's features come by their first token, as they are strong, or the rarest first", () => {
  const features = [described(1, 9, 5, 0.3), described(2, 8, 0, 0.2), described(3, 7, 2, 0.1)];
  const ids = (order: "first" | "strongest" | "rarest", at: Map<number, number[]> | null = null) =>
    strongestRows(features, order, at).map(({ id }) => id);
  expect(ids("first")).toEqual([2, 3, 1]);
  expect(ids("strongest")).toEqual([1, 2, 3]);
  expect(ids("rarest")).toEqual([3, 2, 1]);
  expect(ids("first", new Map([[1, [-1, 5]]]))).toEqual([1, 2, 3]); // it fires earlier than where it is strongest
});

test("a feature has its value at its strongest token and marks where else it fires", () => {
  const [row] = strongestRows([described(1, 9, 5, 0.3)], "first", new Map([[1, [2, 5]]]));
  expect([...(row?.cells ?? [])]).toEqual([
    [2, { value: null, share: null }],
    [5, { value: 9, share: 0.9 }],
  ]);
});

test("with saved activations each firing has its value and its share", () => {
  const answer = { first: 2, marker: [1], tokens: [[1, 3], [3]], marker_values: [1], values: [[2, 4], [5]] };
  const values = firingValues(answer);
  const firedAt = tokensByFeature(firingsByToken(answer));
  const [strong] = strongestRows([described(1, 2, 2, 0.3)], "first", firedAt, values);
  expect([...(strong?.cells ?? [])]).toEqual([
    [-1, { value: 1, share: 0.1 }],
    [2, { value: 2, share: 0.2 }],
  ]);
  const other = { feature_id: 3, activation: 5, token: 3, max_activation: 10, density: 0.1, tokens: [] };
  const [row] = otherRows([other], firedAt, values);
  expect(row).toMatchObject({ share: 0.5, peak: 3 });
  expect([...(row?.cells.values() ?? [])].map(({ value }) => value)).toEqual([4, 5]);
});

test("without them another feature has only the places where it fires", () => {
  const answer = { first: 2, marker: [], tokens: [[3]] };
  const firedAt = tokensByFeature(firingsByToken(answer));
  const other = { feature_id: 3, max_activation: 10, density: 0.1, tokens: [] };
  const [row] = otherRows([other], firedAt, firingValues(answer));
  expect(row).toMatchObject({ share: null, peak: null });
  expect([...(row?.cells ?? [])]).toEqual([[2, { value: null, share: null }]]);
});

test("what fires at tokens is known by token and by feature", () => {
  const firings = firingsByToken({ first: 4, marker: [7], tokens: [[1, 2], [], [2]] });
  expect(firings.get(-1)).toEqual([7]);
  expect(firings.get(5)).toEqual([]);
  expect([...tokensByFeature(firings)]).toEqual([
    [7, [-1]],
    [1, [4]],
    [2, [4, 6]],
  ]);
});

test("people count a row's tokens from 1", () => {
  expect([-1, 0, 4].map(tokenNumber)).toEqual([0, 1, 5]);
});
