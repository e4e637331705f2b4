import { expect, test } from "vitest";

import {
  axisEnd,
  excludesZero,
  formatFactor,
  formatInterval,
  formatSigned,
  goesBeyond,
  onAxis,
} from "./confidenceInterval";

const RISE = { log_ratio: 1.876, low: 0.652, high: 3.1 };
const UNSURE = { log_ratio: -0.2, low: -4.25, high: 3.85 };
const SMALL = { log_ratio: 0, low: -0.1, high: 0.1 };

test("a ratio is written with its sign, nothing without one", () => {
  expect([1.876, -0.4, 0, -0.001].map(formatSigned)).toEqual(["+1.88", "−0.40", "0.00", "0.00"]);
  expect(formatInterval(RISE)).toBe("+1.88 (+0.65 to +3.10)");
});

test("a log ratio is a factor of at least 1 in either direction", () => {
  expect([0, 2, -1, 1.6, 7, 20].map(formatFactor)).toEqual(["1×", "4×", "2×", "3.0×", "128×", "over 10,000×"]);
});

test("the axis reaches as far on both sides, so that four in five intervals are whole on it", () => {
  expect(axisEnd([RISE])).toBe(4);
  expect(axisEnd([SMALL])).toBe(0.5);
  expect(axisEnd([SMALL, SMALL, SMALL, SMALL, UNSURE])).toBe(0.5);
  expect(axisEnd([SMALL, SMALL, SMALL, RISE, UNSURE])).toBe(4);
  expect(axisEnd([])).toBe(0.5);
});

test("0 is in the middle of the axis, and what is beyond it is at its end", () => {
  expect([-4, 0, 2, 4, 7].map((value) => onAxis(value, 4))).toEqual([0, 0.5, 0.75, 1, 1]);
  expect(goesBeyond(UNSURE, 4)).toEqual({ left: true, right: false });
  expect(goesBeyond(RISE, 4)).toEqual({ left: false, right: false });
});

test("only an interval on one side of 0 is a difference", () => {
  expect(excludesZero(RISE)).toBe(true);
  expect(excludesZero({ log_ratio: -2, low: -3, high: -1 })).toBe(true);
  expect(excludesZero(UNSURE)).toBe(false);
});
