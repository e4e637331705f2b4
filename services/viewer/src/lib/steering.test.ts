import { expect, test } from "vitest";

import { PARTS } from "../../test/fakeModels";
import type { GeneratedToken, SteeredTexts } from "../apiTypes";
import { comparePerplexities, strengthRange, surprise, tokensOf } from "./steering";

const parts = PARTS["/api/steer"] ?? [];
const pieces = parts.flatMap(({ piece }) => (piece === undefined ? [] : [piece as GeneratedToken]));
const result = parts.at(-1)?.result as SteeredTexts;
const withPerplexities = (plain: number | null, steered: number | null) =>
  comparePerplexities({
    ...result,
    plain: { ...result.plain, unsteered_perplexity: plain },
    steered: { ...result.steered, unsteered_perplexity: steered },
  });

test("while texts come each has its own tokens; at the end also what the unsteered model gives them", () => {
  expect(tokensOf(true, pieces, null)).toEqual([{ token: " up", logProb: -0.5, unsteered: null }]);
  expect(tokensOf(false, pieces, null).map(({ token }) => token)).toEqual([" and"]);
  expect(tokensOf(true, pieces, result)).toEqual([
    { token: " up", logProb: -0.5, unsteered: -2 },
    { token: " <b>", logProb: -0.5, unsteered: -2 },
  ]);
});

test("how surprising the steered text is, is said in comparison", () => {
  expect(comparePerplexities(result)).toBe(
    "The unsteered model finds the steered text 8 times as surprising as its own (perplexity 80.0 against 10.0).",
  );
  expect(withPerplexities(10, 10.1)).toContain("as surprising as its own (perplexity 10.1");
  expect(withPerplexities(10, 5)).toContain("0.5 times as surprising");
  expect(withPerplexities(10, 250)).toContain("25 times as surprising");
  expect(withPerplexities(null, 5)).toBeNull();
});

test("texts that are the same are said to be", () => {
  expect(comparePerplexities({ ...result, steered: result.plain })).toBe("Both texts are the same.");
});

test("the slider reaches from turned round to beyond the feature's strongest, in steps that are read easily", () => {
  expect(strengthRange({ max_act: 3.0625 })).toEqual({ min: -6.12, max: 12.24, step: 0.09 });
  expect(strengthRange({ max_act: 120 })).toEqual({ min: -240, max: 480, step: 4 });
});

test("the less likely a token was, the greyer it is", () => {
  expect([0, -4, -8, -20].map(surprise)).toEqual([0, 0.5, 1, 1]);
});
