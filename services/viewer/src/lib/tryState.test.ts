import { expect, test } from "vitest";

import { fitsAddress, readTryState, tryPath } from "./tryState";

test("what an address says is what it was made of", () => {
  const state = { run: "r 1", text: "a&b\n#?%20é", order: "rarest" as const, token: -1 };
  expect(readTryState(tryPath(state).slice("/try".length))).toEqual(state);
});

test("what is absent or makes no sense gets its default, which no address names", () => {
  expect(readTryState("?sort=x&token=1.5")).toEqual({ run: null, text: null, order: "strongest", token: null });
  expect(tryPath({})).toBe("/try");
});

test("a text that servers would refuse in an address isn't put there", () => {
  expect(fitsAddress("é".repeat(900))).toBe(true);
  expect(fitsAddress("é".repeat(1100))).toBe(false);
});
