import { expect, test } from "vitest";

import { formatCell, placeAfter, stretchStart } from "./matrix";

const LAST = { row: 4, column: 9 };

test("arrow keys move by one cell, to the heads too, and not past the edges", () => {
  expect(placeAfter("ArrowDown", { row: 0, column: 3 }, LAST)).toEqual({ row: 1, column: 3 });
  expect(placeAfter("ArrowUp", { row: 0, column: 3 }, LAST)).toEqual({ row: -1, column: 3 });
  expect(placeAfter("ArrowLeft", { row: 2, column: 0 }, LAST)).toEqual({ row: 2, column: -1 });
  expect(placeAfter("ArrowRight", { row: 2, column: 9 }, LAST)).toEqual({ row: 2, column: 9 });
  expect(placeAfter("ArrowDown", { row: 4, column: 3 }, LAST)).toEqual({ row: 4, column: 3 });
});

test("nothing leads into the empty corner", () => {
  expect(placeAfter("ArrowUp", { row: 0, column: -1 }, LAST)).toEqual({ row: 0, column: -1 });
  expect(placeAfter("ArrowLeft", { row: -1, column: 0 }, LAST)).toEqual({ row: -1, column: 0 });
  expect(placeAfter("Home", { row: -1, column: 5 }, LAST)).toEqual({ row: -1, column: 0 });
});

test("there are keys for a line's ends and for ten lines", () => {
  expect(placeAfter("Home", { row: 2, column: 5 }, LAST)).toEqual({ row: 2, column: -1 });
  expect(placeAfter("End", { row: 2, column: 5 }, LAST)).toEqual({ row: 2, column: 9 });
  expect(placeAfter("PageDown", { row: 0, column: 5 }, LAST)).toEqual({ row: 4, column: 5 });
  expect(placeAfter("x", { row: 0, column: 5 }, LAST)).toBeNull();
});

test("a cell's number is short", () => {
  expect([0.04, 0.6, 5.21, 12.34, 99.94, 381.2].map(formatCell)).toEqual(["0.04", "0.6", "5.2", "12.3", "99.9", "381"]);
});

test("a token is in the stretch that begins at a multiple of its size", () => {
  expect([null, -1, 0, 127, 128, 300].map((token) => stretchStart(token, 128))).toEqual([0, 0, 0, 0, 128, 256]);
});
