import { expect, test } from "vitest";

import { linearScale, logScale, ticksUpTo } from "./scales";

test("a linear scale leads from ends to ends, and may be turned round", () => {
  const scale = linearScale([0, 4], [10, 110]);
  expect([0, 1, 4].map(scale)).toEqual([10, 35, 110]);
  expect(linearScale([0, 4], [110, 10])(1)).toBe(85);
  expect(linearScale([2, 2], [10, 110])(2)).toBe(60);
});

test("on a log scale equal ratios are equally far apart", () => {
  const scale = logScale([1, 100], [0, 50]);
  expect(scale(10)).toBeCloseTo(25, 12);
  expect(scale(100) - scale(10)).toBeCloseTo(scale(10) - scale(1), 12);
});

test.each([
  [3.2, 6, [0, 0.5, 1, 1.5, 2, 2.5, 3]],
  [0.6, 3, [0, 0.2, 0.4, 0.6]],
  [12.4, 5, [0, 2, 4, 6, 8, 10, 12]],
  [350, 4, [0, 100, 200, 300]],
  [0, 4, [0]],
])("ticks up to %d, about %d of them, are round", (last, count, ticks) => {
  expect(ticksUpTo(last, count)).toEqual(ticks);
});
