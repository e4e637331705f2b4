import { expect, test } from "vitest";

import {
  heat,
  isRightToLeft,
  isStartOfText,
  nameOfUnseen,
  quoteToken,
  rowPosition,
  tokenPieces,
  wordAround,
} from "./tokens";

test("ordinary text, with its leading space, is one piece", () => {
  expect(tokenPieces(" growth")).toEqual([{ kind: "text", text: " growth" }]);
});

test("line ends and tabs get marks", () => {
  expect(tokenPieces("a\n\tb")).toEqual([
    { kind: "text", text: "a" },
    { kind: "mark", text: "⏎" },
    { kind: "mark", text: "⇥" },
    { kind: "text", text: "b" },
  ]);
});

test.each([
  ["\u202E", "U+202E"],
  ["\u200B", "U+200B"],
  ["\u0000", "␀"],
  ["\u001B", "␛"],
  ["\u00A0", "⍽"],
  ["\uFEFF", "U+FEFF"],
])("the invisible character %j is shown", (character, mark) => {
  expect(tokenPieces(character)).toEqual([{ kind: "mark", text: mark }]);
});

test("a pile of combining characters is cut where no script goes, and spelt out in the tooltip", () => {
  const pile = "o" + "\u0301".repeat(10);
  expect(tokenPieces(`${pile}k`)).toEqual([
    { kind: "text", text: "o" + "\u0301".repeat(8) },
    { kind: "mark", text: "⋯" },
    { kind: "text", text: "k" },
  ]);
  expect(quoteToken(pile)).toBe(`"o${"\u0301".repeat(8)}\\u0301\\u0301"`);
});

test("a token's place in its row doesn't count the marker before the window", () => {
  expect(rowPosition({ offset: 63, tokens: ["<|endoftext|>", "a", "b"] }, 2)).toBe(64);
  expect(rowPosition({ offset: 64, tokens: ["a", "b"] }, 1)).toBe(65);
});

test("an emoji joined from several characters stays whole", () => {
  expect(tokenPieces("👩\u200D💻")).toEqual([{ kind: "text", text: "👩\u200D💻" }]);
});

test("right-to-left text is left as it is", () => {
  expect(tokenPieces(" שלום")).toEqual([{ kind: "text", text: " שלום" }]);
});

test("each part of a broken character is a mark", () => {
  expect(tokenPieces(" \uFFFD\uFFFD")).toEqual([
    { kind: "text", text: " " },
    { kind: "mark", text: "\uFFFD" },
    { kind: "mark", text: "\uFFFD" },
  ]);
});

test("a quoted token tells white space apart", () => {
  expect([quoteToken(" a"), quoteToken("\n"), quoteToken("\u202E")]).toEqual(['" a"', '"\\n"', '"\\u202e"']);
});

test("the end-of-text marker is the start of a text only at position 0", () => {
  expect([isStartOfText("<|endoftext|>", 0), isStartOfText("<|endoftext|>", 3), isStartOfText("The", 0)]).toEqual([
    true,
    false,
    false,
  ]);
});

test("heat is 0 without activation, 1 at the maximum, and visible for the weakest", () => {
  expect([heat(0, 5), heat(5, 5), heat(0.0001, 5) > 0.05, heat(7, 5), heat(0, 0)]).toEqual([0, 1, true, 1, 0]);
});

test("a token that is a part of a word has the rest of the word around it", () => {
  const word = (tokens: string[], index: number) => {
    const found = wordAround(tokens, index);
    return found === null ? null : [found.before, found.token, found.after];
  };
  expect(word(["the", " P", "equ", "od", "'s"], 2)).toEqual(["P", "equ", "od"]);
  expect(word([" law", " suit", "able", " for"], 1)).toEqual(["", " suit", "able"]);
  expect(word([" all", " suits", " at"], 1)).toBeNull();
  expect(word(["caf", "é", "", "s"], 0)).toEqual(["", "caf", "és"]);
  expect(word(["a", "."], 1)).toBeNull();
});

test("a text is read from right to left if its first letter is", () => {
  expect(isRightToLeft(["5 %: ", "מניות", " up"])).toBe(true);
  expect(isRightToLeft(["<|endoftext|>", "ارتفاع"])).toBe(true);
  expect(isRightToLeft(["up", " מניות"])).toBe(false);
  expect(isRightToLeft(["1", "%"])).toBe(false);
});

test("markers that tokenizers put before a text are known at its beginning only", () => {
  expect(["<|endoftext|>", "<|im_start|>", "<s>"].map((token) => isStartOfText(token, 0))).toEqual([true, true, true]);
  expect([isStartOfText("<s>", 1), isStartOfText("<b>", 0)]).toEqual([false, false]);
});

test("a token of which nothing is seen has a name", () => {
  expect(nameOfUnseen(" ")).toBe('" "');
  expect(nameOfUnseen("")).toBe("more bytes of the character before");
  expect(nameOfUnseen(" a")).toBeUndefined();
});
