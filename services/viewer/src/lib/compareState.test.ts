import { expect, test } from "vitest";

import { comparedFeaturePath, comparePath, DEFAULT_COMPARE_STATE, readCompareState } from "./compareState";

const STATE = {
  a: "one",
  b: "two",
  partA: null,
  partB: "group:x y",
  show: "only_b",
  sort: "density_b",
  order: "asc",
  minCount: 10,
  offset: 200,
} as const;
const QUERY = "?a=one&b=two&part_b=group%3Ax+y&show=only_b&sort=density_b&order=asc&min_count=10&offset=200";

test("the address says what is compared and how it is listed, and is read back as the same", () => {
  expect(comparePath(STATE)).toBe(`/compare${QUERY}`);
  expect(readCompareState(QUERY)).toEqual(STATE);
});

test("a feature's address keeps the list it came from", () => {
  expect(comparedFeaturePath(7, STATE)).toBe(`/compare/7${QUERY}`);
  expect(comparedFeaturePath(7, DEFAULT_COMPARE_STATE, true)).toBe("/compare/7?examples=all");
});

test("what the address doesn't say, or says wrongly, gets its default", () => {
  expect(readCompareState("sort=toString&order=up&min_count=x&offset=-1&show=me&part_a=all")).toEqual(
    DEFAULT_COMPARE_STATE,
  );
  expect(comparePath(DEFAULT_COMPARE_STATE)).toBe("/compare");
});
