import { expect, test } from "vitest";

import { cutAround } from "./kwic";

const TOKENS = ["aaaa", "bbbb", "cccc", "dddd", "eeee", "ffff", "gggg"];

test("a text that fits on the line isn't cut", () => {
  expect(cutAround(TOKENS, 3, 100)).toEqual({ first: 0, last: 6, isCutBefore: false, isCutAfter: false });
});

test("only whole tokens that fit are shown, and it is said on which side some are missing", () => {
  // of 22 characters, 10 less the ellipsis are before the token, 11 with the token after it
  expect(cutAround(TOKENS, 3, 22)).toEqual({ first: 1, last: 4, isCutBefore: true, isCutAfter: true });
});

test("the token itself is shown however long it is", () => {
  expect(cutAround(["a", "w".repeat(300), "b"], 1, 20)).toEqual({
    first: 0,
    last: 1,
    isCutBefore: false,
    isCutAfter: true,
  });
});
