import { expect, test } from "vitest";

import { encode } from "../../test/fakeModels";
import { describeStrength, encodedRows, firingsAt, shareAt } from "./encodedRows";

const { features } = encode("it goes up and up", "run", null, 0);
const [up, every] = features;

test("features are in the order asked for: strongest as they came, by first token, or rarest", () => {
  expect(encodedRows(features, "strongest").map(({ id }) => id)).toEqual([3, 12]);
  expect(encodedRows(features, "first").map(({ id }) => id)).toEqual([12, 3]); // the marker is before all tokens
  expect(encodedRows(features.toReversed(), "rarest").map(({ id }) => id)).toEqual([3, 12]);
});

test("a feature's line has all its activations, its largest here and which share of its own that exceeds", () => {
  const [line] = encodedRows(features, "strongest");
  expect([...(line?.cells ?? [])]).toEqual([
    [2, { value: 3, share: 0.75 }],
    [4, { value: 2, share: 0.5 }],
  ]);
  expect(line).toMatchObject({ share: 0.75, peak: 2, strongerThan: 0.997 });
});

test("of each token all features are known, the closest to its own strongest first", () => {
  const byToken = firingsAt(features);
  expect(byToken.get(2)?.map(({ feature, value }) => [feature.feature_id, value])).toEqual([
    [3, 3],
    [12, 0.52],
  ]);
  expect(byToken.get(-1)?.map(({ feature }) => feature.feature_id)).toEqual([12]);
  expect(byToken.get(9)).toBeUndefined();
});

test("how strong an activation is, is said of the feature's own ones", () => {
  expect(up && describeStrength(up)).toBe("stronger than 99.7 % of its activations in your data");
  expect(every && describeStrength(every)).toBe("stronger than all of its activations in your data");
  expect(up && describeStrength({ ...up, stronger_than: null, max_activation: 0 })).toBe("it never fired in your data");
});

test("nothing is more than the whole of a feature's strongest, nor less where it never fired", () => {
  expect(up && shareAt(up, 8)).toBe(1);
  expect(up && shareAt({ ...up, max_activation: 0 }, 0.1)).toBe(1);
});
