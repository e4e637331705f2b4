import { expect, test } from "vitest";

import type { PositionRange, Positions } from "../apiTypes";
import { describePositions, positionBars } from "./positions";

function range(windows: "first" | "later", first: number, last: number | null, tokens: number, fired: number) {
  return { windows, first, last, num_tokens: tokens, num_active_tokens: fired } satisfies PositionRange;
}

const EVEN: Positions = {
  early_share: 0.1,
  early_share_of_tokens: 0.1,
  cut_share: 0,
  cut_share_of_tokens: 0.02,
  ranges: [
    range("first", 0, 0, 0, 0),
    range("first", 1, 1, 10, 1),
    range("first", 2, 3, 20, 6),
    range("later", 2, 3, 20, 1),
    range("later", 32, null, 50, 2),
  ],
};

test("first and later windows are one bar, and where no token is there is none", () => {
  expect(positionBars(EVEN).map(({ name, share, shareOfTokens }) => [name, share, shareOfTokens])).toEqual([
    ["1", 0.1, 0.1],
    ["2–3", 0.7, 0.4],
    ["32+", 0.2, 0.5],
  ]);
});

test("firings where tokens are need no words", () => {
  expect(describePositions(EVEN)).toBeNull();
});

test("a feature of beginnings, or of the places where rows are cut, is called so", () => {
  expect(describePositions({ ...EVEN, early_share: 0.9 })).toBe(
    "90 % of its firings are at the first two tokens (10 % of tokens are).",
  );
  expect(describePositions({ ...EVEN, early_share: 0.9, cut_share: 0.5 })).toBe(
    "50 % of its firings are where a long row was cut (2 % of tokens are).",
  );
});
