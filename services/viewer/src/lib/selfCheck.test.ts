import { expect, test } from "vitest";

import { formatBytes } from "./format";
import { pairedBins, smallestShare } from "./pairedHistogram";
import { readSelfCheck } from "./selfCheck";

test("a self-check is read as verdict, reasons and the figures that there are", () => {
  const read = readSelfCheck({ verdict: "doubtful", reasons: ["why"], fvu: 0.25, cosine: null, mean_l0: 4 });
  expect(read?.verdict).toBe("doubtful");
  expect(read?.reasons).toEqual(["why"]);
  expect(read?.figures.map(({ name, value }) => `${name} ${value}`)).toEqual(["FVU 0.2500", "L0 4.0"]);
  expect(readSelfCheck(null)).toBeNull();
});

test("sizes are told in decimal units", () => {
  expect([1, 999, 1000, 4321, 18_962_245, 5e12].map(formatBytes)).toEqual([
    "1 byte",
    "999 bytes",
    "1.0 kB",
    "4.3 kB",
    "19 MB",
    "5.0 TB",
  ]);
});

test("two histograms have one axis, up to the last bin of either, as shares of each side's tokens", () => {
  const a = { bin_width: 0.2, hist: { "1": 10, "3": 5 }, num_tokens: 1000 };
  const b = { bin_width: 0.2, hist: { "2": 1 }, num_tokens: 100 };
  const bins = pairedBins(a, b);
  expect(bins.map(({ from, to, a: inA, b: inB }) => [from, to, inA, inB])).toEqual([
    [0, 0.2, 0.01, 0],
    [0.2, 0.4, 0, 0.01],
    [0.4, 0.6, 0.005, 0],
  ]);
  expect(smallestShare(bins)).toBe(0.0025);
  expect(pairedBins(a, { ...b, bin_width: 0.1 })).toEqual([]);
});
