import { expect, test } from "vitest";

import { excerpt } from "./excerpt";

const parts = (text: string, wanted: string | null) =>
  excerpt(text, wanted).map(({ text: part, isMatch }) => (isMatch ? `[${part}]` : part));

test("every match is a part of its own, as it is written", () => {
  expect(parts("Up, up and UP", "up")).toEqual(["[Up]", ", ", "[up]", " and ", "[UP]"]);
});

test("without a search, and without a match, the text is one part", () => {
  expect(parts("Up", null)).toEqual(["Up"]);
  expect(parts("Up", "down")).toEqual(["Up"]);
});

test("what is searched for is a text, not a pattern", () => {
  expect(parts("7.8% (a|b) [x] \\d $^*+?{2}/", ".8% (a|b) [x] \\d $^*+?{2}/")).toEqual([
    "7",
    "[.8% (a|b) [x] \\d $^*+?{2}/]",
  ]);
});

test("case is ignored beyond ASCII", () => {
  expect(parts("ÉTÉ ΣΊΓΜΑ", "été")).toEqual(["[ÉTÉ]", " ΣΊΓΜΑ"]);
  expect(parts("ΣΊΓΜΑ", "σίγμα")).toEqual(["[ΣΊΓΜΑ]"]);
});

test("what is far before the first match is left out, characters staying whole", () => {
  expect(parts("😀".repeat(100) + "up", "up")).toEqual(["…" + "😀".repeat(60), "[up]"]);
});
