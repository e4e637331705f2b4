import { expect, test } from "vitest";

import { countTicks, histogramBins, medianBin } from "./histogram";

test("bin i spans (i - 1) to i bin widths, and empty bins between are kept", () => {
  expect(histogramBins({ "1": 7, "3": 2 }, 0.2)).toEqual([
    { index: 1, from: 0, to: 0.2, count: 7 },
    { index: 2, from: 0.2, to: 0.4, count: 0 },
    { index: 3, from: 0.4, to: 0.6, count: 2 },
  ]);
});

test("the last bin is the one with the largest number, not the largest text", () => {
  expect(histogramBins({ "9": 1, "10": 1 }, 0.2)).toHaveLength(10);
});

test("a feature that never fired has no bins", () => {
  expect(histogramBins({}, 0.2)).toEqual([]);
});

test("count labels are powers of ten, finer where there are few", () => {
  expect(countTicks(1)).toEqual([1]);
  expect(countTicks(34)).toEqual([1, 2, 5, 10, 20]);
  expect(countTicks(23_456)).toEqual([1, 10, 100, 1000, 10_000]);
});

test("the median is in the bin up to which half of the activations are", () => {
  expect(medianBin({ "1": 3, "2": 1, "4": 2 }, 0.2)?.index).toBe(1);
  expect(medianBin({ "1": 2, "2": 1, "4": 2 }, 0.2)?.index).toBe(2);
  expect(medianBin({}, 0.2)).toBeNull();
});
