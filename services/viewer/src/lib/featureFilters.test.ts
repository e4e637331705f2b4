import { expect, test } from "vitest";

import { parseCount, parseHighest, parseLowest, parsePercent, parseToken, percentText } from "./featureFilters";

test.each([
  ["0.07", 0.0007],
  [" 12. ", 0.12],
  [".5", 0.005],
  ["1e-3", 0.00001],
  ["0", 0],
  ["100", 1],
  ["", null],
])("%j percent is the share %d", (text, share) => {
  expect(parsePercent(text)).toEqual({ value: share });
});

test.each(["0,5", "-1", "100.1", "half", "0x10", "1e9"])("%j is no percentage", (text) => {
  expect(parsePercent(text)).toEqual({ problem: "Type a percentage from 0 to 100, such as 0.5." });
});

test.each([0.0007, 0.12, 1e-9, 1 / 3])("the share %d is shown as a percentage that means the same", (share) => {
  const parsed = parsePercent(percentText(share));
  expect("value" in parsed ? parsed.value : NaN).toBeCloseTo(share, 12);
});

test("a range whose ends are the wrong way round is refused at either end", () => {
  const problem = "The density can’t be over 5 % and under 1 %.";
  expect(parseLowest("5", 0.01)).toEqual({ problem });
  expect(parseHighest("1", 0.05)).toEqual({ problem });
  expect(parseLowest("1", 0.01)).toEqual({ value: 0.01 });
  expect(parseHighest("1", null)).toEqual({ value: 0.01 });
});

test.each([
  ["100", { value: 100 }],
  ["0", { value: null }],
  ["", { value: null }],
  ["1.5", { problem: "Type a whole number, such as 100." }],
  ["99999999999999999999", { problem: "Type a whole number, such as 100." }],
])("%j as a number of tokens", (text, parsed) => {
  expect(parseCount(text)).toEqual(parsed);
});

test("spaces are part of a token, even alone", () => {
  expect(parseToken(" upgrade")).toEqual({ value: " upgrade" });
  expect(parseToken(" ")).toEqual({ value: " " });
  expect(parseToken("")).toEqual({ value: null });
});
