import { expect, test } from "vitest";

import { sparkline } from "./sparkline";

test("a bar's height is its log count's share of the largest", () => {
  expect(sparkline({ "1": 99, "3": 9 }, 10)).toEqual([1, 0, 0.5]);
});

test("more bins than bars are summed, the last bar taking what is left", () => {
  expect(sparkline({ "1": 4, "2": 5, "3": 9, "5": 9 }, 3)).toEqual([1, 1, 1]);
});

test("a feature that never fired has no bars", () => {
  expect(sparkline({}, 10)).toEqual([]);
});
