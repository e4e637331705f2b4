import { expect, test } from "vitest";

import { axisEnd, excludesZero, formatInterval, formatSigned, onAxis } from "./confidenceInterval";

const RISE = { log_ratio: 1.876, low: 0.652, high: 3.1 };
const UNSURE = { log_ratio: -0.2, low: -4.25, high: 3.85 };

test("a ratio is written with its sign, nothing without one", () => {
  expect([1.876, -0.4, 0, -0.001].map(formatSigned)).toEqual(["+1.88", "−0.40", "0.00", "0.00"]);
  expect(formatInterval(RISE)).toBe("+1.88 (+0.65 to +3.10)");
});

test("the axis reaches the same whole number on both sides, beyond every interval's end", () => {
  expect(axisEnd([RISE])).toBe(4);
  expect(axisEnd([RISE, UNSURE])).toBe(5);
  expect(axisEnd([{ log_ratio: 0, low: -0.1, high: 0.1 }])).toBe(1);
  expect(axisEnd([])).toBe(1);
});

test("0 is in the middle of the axis", () => {
  expect([-4, 0, 2, 4].map((value) => onAxis(value, 4))).toEqual([0, 0.5, 0.75, 1]);
});

test("only an interval on one side of 0 is a difference for sure", () => {
  expect(excludesZero(RISE)).toBe(true);
  expect(excludesZero({ log_ratio: -2, low: -3, high: -1 })).toBe(true);
  expect(excludesZero(UNSURE)).toBe(false);
});
