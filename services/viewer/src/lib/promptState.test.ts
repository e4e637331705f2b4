import { expect, test } from "vitest";

import {
  ALL_ROWS,
  columnsOf,
  isFiltered,
  promptPath,
  promptsPath,
  readPromptsState,
  readRowOrder,
  readSelectedToken,
} from "./promptState";

test("a list's address says what it is about and is read back as the same", () => {
  const state = { ...ALL_ROWS, run: "run-1", text: " & up?", from: 50 };
  expect(promptsPath(state)).toBe("/prompts?text=+%26+up%3F&from=50&run=run-1");
  expect(readPromptsState("text=+%26+up%3F&from=50&run=run-1")).toEqual(state);
});

test("what a list's address doesn't say, or says wrongly, is left out", () => {
  expect(readPromptsState("text=&from=-3")).toEqual(ALL_ROWS);
  expect(promptsPath(ALL_ROWS)).toBe("/prompts");
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

test("a column counts with a value or a part of one, and the value goes before the part", () => {
  const state = { ...ALL_ROWS, column: "a b", value: "x" };
  expect(promptsPath(state)).toBe("/prompts?column=a+b&value=x");
  expect(readPromptsState("column=a+b&value=x&contains=y")).toEqual(state);
  expect(readPromptsState("column=a&contains=y")).toEqual({ ...ALL_ROWS, column: "a", contains: "y" });
  expect(readPromptsState("column=a")).toEqual(ALL_ROWS);
  expect(readPromptsState("value=x")).toEqual(ALL_ROWS);
});

test("rows are only some when a text or a column is asked for", () => {
  expect(isFiltered({ ...ALL_ROWS, from: 7, run: "run-1" })).toBe(false);
  expect(isFiltered({ ...ALL_ROWS, text: "x" })).toBe(true);
  expect(isFiltered({ ...ALL_ROWS, column: "a", value: "x" })).toBe(true);
});

test("a row's address has the order of its features, but for the usual one", () => {
  expect(promptPath(7, null, null, "rarest")).toBe("/prompts/7?sort=rarest");
  expect(promptPath(7, null, null, "first")).toBe("/prompts/7");
  expect(["sort=rarest", "sort=strongest", "sort=x", ""].map(readRowOrder)).toEqual([
    "rarest",
    "strongest",
    "first",
    "first",
  ]);
});

test("the columns are those of the run's options, and the one that is asked for", () => {
  expect(columnsOf(undefined, ALL_ROWS)).toEqual([]);
  const options = { keep_columns: "stock, date", group_by: "date " };
  expect(columnsOf({ options }, { ...ALL_ROWS, column: "day" })).toEqual(["stock", "date", "day"]);
});
