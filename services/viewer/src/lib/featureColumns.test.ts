import { expect, test } from "vitest";

import { columnsThatFit, gridTemplate } from "./featureColumns";

const names = (width: number) => columnsThatFit(width, "alpha", ["beta", "gamma"]).map(({ name }) => name);

test("a phone has the feature, its tokens and its value", () => {
  expect(names(341)).toEqual(["feature_id", "tokens", "alpha"]);
});

test("tokens and value stay however narrow it is", () => {
  expect(names(200)).toEqual(["feature_id", "tokens", "alpha"]);
});

test("a wide table has everything, the other metrics last", () => {
  expect(names(1200)).toEqual([
    "rank",
    "feature_id",
    "tokens",
    "alpha",
    "histogram",
    "num_active_tokens",
    "beta",
    "gamma",
  ]);
});

test("the columns' widths never add up to more than there is", () => {
  for (let width = 308; width < 1300; width += 7) {
    const columns = columnsThatFit(width, "alpha", ["beta", "gamma"]);
    expect(columns.reduce((sum, column) => sum + column.width, 0)).toBeLessThanOrEqual(width);
  }
});

test("the tokens' column takes what the others leave", () => {
  expect(gridTemplate(columnsThatFit(400, "alpha", []))).toBe("78px 74px minmax(150px, 1fr) 84px");
});
