import { expect, test } from "vitest";

import {
  formatCount,
  formatDate,
  formatDuration,
  formatEdge,
  formatNumber,
  formatOneIn,
  formatPlural,
  formatRate,
  formatRest,
  formatRoundShare,
  formatShare,
  formatSigned,
  formatStrength,
  metricTitle,
  shortPath,
} from "./format";

test.each([
  [0, "0"],
  [0.0123456, "0.01235"],
  [0.00001234, "1.23e-5"],
  [18.64, "18.64"],
  [21223.4, "21,223"],
  [4_200_000, "4.20e6"],
  [-3.14159, "-3.142"],
  [NaN, "–"],
])("formatNumber shows %d as %s", (value, shown) => {
  expect(formatNumber(value)).toBe(shown);
});

test.each([
  [0, "0 %"],
  [0.5, "50.0 %"],
  [0.0123, "1.23 %"],
  [0.000042, "0.0042 %"],
  [0.0000000031, "3.1e-7 %"],
])("formatShare never rounds %d to nothing", (share, shown) => {
  expect(formatShare(share)).toBe(shown);
});

test("a noun takes its plural from its count", () => {
  expect([formatPlural(1, "row"), formatPlural(2000, "row")]).toEqual(["1 row", "2,000 rows"]);
});

test("a metric's name becomes a title without knowing the metric", () => {
  expect(metricTitle("share_of_new_things")).toBe("Share of new things");
});

test("a long address keeps its last two parts", () => {
  expect(shortPath("az://openaipublic/gpt2-small/autoencoders/6.pt")).toBe("…/autoencoders/6.pt");
  expect(shortPath("gpt2")).toBe("gpt2");
});

test.each([
  [0, "0 s"],
  [59.4, "59 s"],
  [59.6, "1 min"],
  [3599, "1 h"],
  [7800, "2 h 10 min"],
  [273_600, "3 d 4 h"],
])("formatDuration shows %d seconds as %s", (seconds, shown) => {
  expect(formatDuration(seconds)).toBe(shown);
});

test("a rate has no more digits than mean something", () => {
  expect([formatRate(0.42), formatRate(812.4), formatRate(12_345)]).toEqual(["0.4", "812", "12,300"]);
});

test("numbers are grouped as the browser's own formatter of numbers does", () => {
  const own = new Intl.NumberFormat("en-US");
  const numbers = [0, 7, 999, 1000, 12_345, 123_456, 1_234_567, 987_654_321_012, -1234, 1234.125];
  expect(numbers.map(formatCount)).toEqual(numbers.map((number) => own.format(number)));
});

test("a moment has its day, year and time in the reader's time zone", () => {
  const moments = Array.from({ length: 12 }, (_, month) => new Date(2026, month, 2 * month + 1, 2 * month, 5));
  const own = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
  expect(moments.map((moment) => formatDate(moment.toISOString()))).toEqual(
    moments.map((moment) => own.format(moment).replace("Sept", "Sep")),
  );
});

test("what isn't a date is shown as it is", () => {
  expect(formatDate("yesterday")).toBe("yesterday");
});

test("activations are short, and a weak one isn't nothing", () => {
  expect([3.6443, 0.004, 0, 123.45].map(formatStrength)).toEqual(["3.64", "<0.01", "0", "123.5"]);
  expect([0.4, 12.8, 3.6443, 0].map(formatEdge)).toEqual(["0.4", "12.8", "3.64", "0"]);
});

test("a signed number has a true minus or a plus", () => {
  expect([0.6, -0.854, 0].map(formatSigned)).toEqual(["+0.60", "−0.85", "+0.00"]);
});

test("shares are rounded, but neither to nothing nor to everything", () => {
  expect([0.58, 0.004, 0, 0.996, 1].map(formatRoundShare)).toEqual(["58 %", "<1 %", "0 %", ">99 %", "100 %"]);
  expect([0.016, 0.0002, 0, 0.00000001].map(formatRest)).toEqual(["98.4 %", "99.98 %", "100.0 %", "nearly 100 %"]);
  expect([1 / 63, 0.294, 1 / 4312].map(formatOneIn)).toEqual(["63", "3.4", "4,312"]);
});
