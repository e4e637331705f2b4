import { expect, test } from "vitest";

import { featurePath, featuresPath, readViewState } from "./viewState";

test("what a path says is read back as it was", () => {
  const state = { run: "20261123-101500_run-001", metric: "skew & more", order: "asc", offset: 100 } as const;
  expect(readViewState(featuresPath(state).slice(1))).toEqual(state);
});

test("a feature's address keeps run and metric, not the page of the list", () => {
  expect(featurePath(12, { run: "r", metric: "max_activation", order: "desc", offset: 50 })).toBe(
    "/feature/12?metric=max_activation&run=r",
  );
});

test("the default view has the shortest address", () => {
  expect(featuresPath({ run: null, metric: null, order: "desc", offset: 0 })).toBe("/");
});

test.each(["?offset=-5", "?offset=1.5", "?offset=abc", "?offset=", "?order=sideways"])(
  "%s means the default",
  (search) => {
    expect(readViewState(search)).toEqual({ run: null, metric: null, order: "desc", offset: 0 });
  },
);
