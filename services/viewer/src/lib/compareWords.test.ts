import { expect, test } from "vitest";

import { RUN } from "../../test/fakeApi";
import type { ComparedFeature, ComparedRun } from "../apiTypes";
import { controls, otherDifferences } from "./compareNotes";
import { sideNames } from "./compareSides";
import { describeDensities, describeDifference, describeQ, describeStrength } from "./compareWords";

const side = (count: number) => ({ num_active_tokens: count, density: count / 1000, tokens: [] });
const feature = (a: number, b: number, more: Partial<ComparedFeature>): ComparedFeature => ({
  feature_id: 7,
  a: side(a),
  b: side(b),
  log_ratio: Math.log2((b + 0.5) / (a + 0.5)),
  low: -1,
  high: 1,
  ...more,
});

test.each([
  [feature(10, 34, { q: 0.01 }), "3.3× in B"],
  [feature(34, 10, { q: 0.05 }), "3.3× in A"],
  [feature(34, 10, { q: 0.051 }), "3.3× in A, not sure"],
  [feature(3, 0, { q: null }), "only in A, not sure"],
  [feature(0, 90, { q: 0 }), "only in B"],
  [feature(10, 10, { q: 0.9 }), "as often, not sure"],
  [feature(10, 34, { low: 0.2, high: 3 }), "3.3× in B"], // only tokens were compared
  [feature(10, 34, {}), "3.3× in B, not sure"],
])("a difference in words: %#", (compared, words) => {
  expect(describeDifference(compared)).toBe(words);
});

test("densities are told in a sentence, of the side that has more first", () => {
  expect(describeDensities(feature(10, 34, { q: 0.01 }))).toBe(
    "It fires 3.3× as often in B as in A: at 3.40 % of the tokens, not 1.00 %.",
  );
  expect(describeDensities(feature(34, 10, { q: 0.5 }))).toMatch(/in A as in B: .* That may be chance\.$/);
  expect(describeDensities(feature(0, 5, {}))).toBe("It fires at 0.50 % of the tokens in B, and never in A.");
});

test("a q is a number that can be read, and what wasn't tested has none", () => {
  expect([0.00004, 0.0312, null].map((q) => describeQ(feature(1, 1, { q })))).toEqual(["q < 0.001", "q = 0.031", null]);
});

test("strength is told of the side that has more of it", () => {
  expect(describeStrength(feature(1, 1, { b_stronger: 0.2 }))).toContain("stronger in A than in B: in 80 % of pairs");
  expect(describeStrength(feature(1, 1, { b_stronger: 0.51 }))).toContain("about as strong");
  expect(describeStrength(feature(1, 1, {}))).toBeNull();
});

const OTHER = { ...RUN, id: "other", source: "poems.txt" };
const NOW = new Date(2026, 10, 29);

test("sides are called by what tells them apart", () => {
  const names = (a: [typeof RUN, string | null], b: [typeof RUN, string | null]) =>
    Object.values(sideNames({ run: a[0], part: a[1] }, { run: b[0], part: b[1] }, NOW));
  expect(names([RUN, null], [OTHER, null])).toEqual(["headlines.csv", "poems.txt"]);
  expect(names([RUN, "group:x"], [RUN, "group:y"])).toEqual(["x", "y"]);
  expect(names([RUN, "half:0"], [RUN, "half:1"])).toEqual(["one random half", "the other half"]);
  expect(names([RUN, "group:x"], [OTHER, "group:x"])).toEqual(["x, headlines.csv", "x, poems.txt"]);
  expect(new Set(names([RUN, null], [{ ...RUN, id: "same" }, null])).size).toBe(2);
  expect(names([RUN, "group:x"], [RUN, null])).toEqual(["x", "headlines.csv"]);
});

const run = (mean: number, first: number): ComparedRun => ({
  run: `run of ${mean}`,
  source: null,
  part: "all",
  num_tokens: 100,
  num_active_features: 5,
  tokens_per_text: { mean, std: 1 },
  positions: [
    { windows: "first", first: 0, last: 3, num_tokens: first },
    { windows: "first", first: 4, last: null, num_tokens: 100 - first },
  ],
  halves: { num_tested: 40, num_found: 1 },
});

test("lengths and positions are noted only where they differ much", () => {
  expect(otherDifferences({ a: run(20, 20), b: run(22, 22) })).toEqual([]);
  const [lengths, positions, policies] = otherDifferences({ a: run(10, 40), b: run(20, 20), policies_differ: "so" });
  expect(lengths).toContain("10.0 tokens in A and 20.0 in B");
  expect(positions).toContain("40 % in A and 20 % in B");
  expect(policies).toBe("Features may differ by this alone: so.");
});

test("the control is each run's halves, once where both sides are of one run", () => {
  expect(controls({ a: run(1, 1), b: run(2, 1) })).toEqual([
    { run: "run of 1", found: 1, tested: 40 },
    { run: "run of 2", found: 1, tested: 40 },
  ]);
  expect(controls({ a: run(1, 1), b: run(1, 1) })).toHaveLength(1);
});
