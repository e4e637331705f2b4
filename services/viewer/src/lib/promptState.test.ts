import { expect, test } from "vitest";

import { promptPath, promptsPath, readPromptsState, readSelectedToken } from "./promptState";

test("a list's address says what it is about and is read back as the same", () => {
  const state = { run: "run-1", text: " & up?", from: 50 };
  expect(promptsPath(state)).toBe("/prompts?text=+%26+up%3F&from=50&run=run-1");
  expect(readPromptsState("text=+%26+up%3F&from=50&run=run-1")).toEqual(state);
});

test("what a list's address doesn't say, or says wrongly, is left out", () => {
  expect(readPromptsState("text=&from=-3")).toEqual({ run: null, text: null, from: 0 });
  expect(promptsPath({ run: null, text: null, from: 0 })).toBe("/prompts");
});

test("a row's address has the selected token, also the first, and the marker before it", () => {
  expect(promptPath(7, null)).toBe("/prompts/7");
  expect(promptPath(7, "run-1", 0)).toBe("/prompts/7?run=run-1&token=0");
  expect(readSelectedToken("token=0")).toBe(0);
  expect(readSelectedToken("token=-1")).toBe(-1);
});

test("what isn't a token's number selects none", () => {
  expect(["", "token=", "token=x", "token=-2", "token=1.5"].map(readSelectedToken)).toEqual(Array(5).fill(null));
});
