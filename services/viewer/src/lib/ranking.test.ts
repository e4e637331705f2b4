import { expect, test } from "vitest";

import { blocksOf, isSameList, listQuery, sortedBy } from "./ranking";
import { DEFAULT_STATE, NO_FILTERS } from "./viewState";

const METRICS = ["alpha", "beta"];
const BY_ALPHA = { metric: "alpha", sort: "alpha", order: "desc", metrics_available: METRICS } as const;

test("the ranks in view lie in whole blocks, each counted once", () => {
  expect(blocksOf([95, 96, 100, 130])).toEqual([0, 100]);
  expect(blocksOf([7, 1000, 1001])).toEqual([0, 1000]);
  expect(blocksOf([])).toEqual([]);
});

test("features that never fired come by number unless they are sorted", () => {
  const dead = { ...DEFAULT_STATE, filters: { ...NO_FILTERS, dead: true } };
  expect(listQuery(dead)).toMatchObject({ sort: "feature_id", order: "asc", dead: true });
  expect(listQuery({ ...dead, sort: "feature_id" })).toMatchObject({ sort: "feature_id", order: "desc" });
});

test("a list stays the same wherever one is in it, and becomes another by a filter", () => {
  const elsewhere = { ...DEFAULT_STATE, offset: 700, columns: [] };
  expect(isSameList(DEFAULT_STATE, elsewhere)).toBe(true);
  expect(isSameList(DEFAULT_STATE, { ...DEFAULT_STATE, filters: { ...NO_FILTERS, minCount: 2 } })).toBe(false);
});

test("sorting by another metric ranks by it, highest first, from the top", () => {
  const state = { ...DEFAULT_STATE, sort: "feature_id", order: "asc", offset: 900 } as const;
  const next = sortedBy(state, "beta", {
    metric: "alpha",
    sort: "feature_id",
    order: "asc",
    metrics_available: METRICS,
  });
  expect(next).toEqual({ ...DEFAULT_STATE, metric: "beta" });
});

test("sorting by what the list is sorted by turns it round", () => {
  expect(sortedBy(DEFAULT_STATE, "alpha", BY_ALPHA)).toEqual({ ...DEFAULT_STATE, order: "asc" });
  const byNumber = { metric: "alpha", sort: "feature_id", order: "asc", metrics_available: METRICS } as const;
  expect(sortedBy(DEFAULT_STATE, "feature_id", byNumber)).toEqual({ ...DEFAULT_STATE, sort: "feature_id" });
});

test("sorting by number begins with feature 0, by active tokens with the most", () => {
  expect(sortedBy(DEFAULT_STATE, "feature_id", BY_ALPHA)).toEqual({
    ...DEFAULT_STATE,
    sort: "feature_id",
    order: "asc",
  });
  expect(sortedBy(DEFAULT_STATE, "num_active_tokens", BY_ALPHA)).toEqual({
    ...DEFAULT_STATE,
    sort: "num_active_tokens",
  });
});
