import { expect, test } from "vitest";

import { DEFAULT_STATE, featurePath, featuresPath, isFiltered, NO_FILTERS, readViewState } from "./viewState";

const EVERYTHING = {
  run: "20261123-101500_run-001",
  metric: "skew & more",
  sort: "feature_id",
  order: "asc",
  filters: {
    minDensity: 0.001,
    maxDensity: 0.5,
    minCount: 20,
    token: " up & grade",
    dead: true,
    labelled: true,
    starred: true,
  },
  columns: ["kurtosis", "std"],
  offset: 100,
  allExamples: false,
  newlines: false,
  shown: "strength",
  band: null,
  whole: false,
} as const;

test("what a list's address says is read back as it was", () => {
  expect(readViewState(featuresPath({ ...EVERYTHING, columns: ["kurtosis", "std"] }).slice(1))).toEqual(EVERYTHING);
});

test("a feature's address keeps the list, but for the place in it, and says how its examples are shown", () => {
  const state = { ...DEFAULT_STATE, run: "r", metric: "max_activation", offset: 50, allExamples: true, newlines: true };
  expect(featurePath(12, state)).toBe("/feature/12?metric=max_activation&examples=all&newlines=1&run=r");
  expect(readViewState(featurePath(12, state).slice("/feature/12".length))).toEqual({ ...state, offset: 0 });
});

test("no metric columns at all are something else than all of them", () => {
  expect(featuresPath({ ...DEFAULT_STATE, columns: [] })).toBe("/?columns=");
  expect(readViewState("?columns=").columns).toEqual([]);
});

test("the default view has the shortest address", () => {
  expect(featuresPath(DEFAULT_STATE)).toBe("/");
});

test.each([
  "?offset=-5",
  "?offset=1.5",
  "?offset=abc",
  "?offset=",
  "?order=sideways",
  "?min_density=lots",
  "?min_density=",
  "?max_density=1.5",
  "?min_density=-0.1",
  "?min_count=-1",
  "?min_count=2.5",
  "?token=",
  "?dead=maybe",
  "?examples=some&newlines=2",
])("%s means the default", (search) => {
  expect(readViewState(search)).toEqual(DEFAULT_STATE);
});

test("a list is filtered as soon as anything is left out of it", () => {
  expect(isFiltered({ ...DEFAULT_STATE, metric: "std" })).toBe(false);
  expect(isFiltered({ ...DEFAULT_STATE, filters: { ...NO_FILTERS, maxDensity: 0 } })).toBe(true);
  expect(isFiltered({ ...DEFAULT_STATE, filters: { ...NO_FILTERS, dead: true } })).toBe(true);
});
