import { expect, test } from "vitest";

import { formatNumber, formatPlural, formatShare, metricTitle, shortPath } from "./format";

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
