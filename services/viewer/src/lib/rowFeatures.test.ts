import { expect, test } from "vitest";

import { featuresByToken, windowOf } from "./rowFeatures";

test("features are found by the token they fired on, the strongest first", () => {
  const feature = (feature_id: number, token: number) => ({
    feature_id,
    activation: 9 - feature_id,
    token,
    token_str: "",
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
