import { expect, test } from "vitest";

import { findPlace, PAGE_SIZE, type RankedFeature } from "./ranking";

/** A ranking of `values` in their order; feature ids are 1000 + rank. Counts the pages that are read. */
function pagesOf(values: number[]) {
  const ranking: RankedFeature[] = values.map((value, rank) => ({ feature_id: 1000 + rank, value }));
  const reader = { pagesRead: 0, readPage: (page: number) => Promise.resolve(slice(page)) };
  const slice = (page: number) => {
    reader.pagesRead += 1;
    return ranking.slice(page * PAGE_SIZE, (page + 1) * PAGE_SIZE);
  };
  return reader;
}

const DESCENDING = Array.from({ length: 1234 }, (_, rank) => 5000 - rank);

test("every feature of a ranking is found with its neighbours", async () => {
  const { readPage } = pagesOf(DESCENDING);
  for (const [rank, value] of DESCENDING.entries()) {
    expect(await findPlace(1000 + rank, value, DESCENDING.length, "desc", readPage)).toEqual({
      index: rank,
      previous: rank === 0 ? null : 999 + rank,
      next: rank === 1233 ? null : 1001 + rank,
    });
  }
});

test("a ranking with the lowest first is searched the other way round", async () => {
  const ascending = DESCENDING.toReversed();
  const { readPage } = pagesOf(ascending);
  expect((await findPlace(1700, ascending[700] ?? 0, ascending.length, "asc", readPage))?.index).toBe(700);
});

test("a feature among hundreds with the same value is found", async () => {
  const values = [...Array<number>(30).fill(9), ...Array<number>(300).fill(4), ...Array<number>(30).fill(1)];
  const { readPage } = pagesOf(values);
  expect((await findPlace(1310, 4, values.length, "desc", readPage))?.index).toBe(310);
});

test("a feature that isn't ranked has no place", async () => {
  const { readPage } = pagesOf(DESCENDING);
  expect(await findPlace(7, 4200.5, DESCENDING.length, "desc", readPage)).toBeNull();
  expect(await findPlace(7, 0, 0, "desc", pagesOf([]).readPage)).toBeNull();
});

test("32,768 features take a dozen pages to search", async () => {
  const values = Array.from({ length: 32_768 }, (_, rank) => 40_000 - rank);
  const reader = pagesOf(values);
  await findPlace(1000 + 20_000, 20_000, values.length, "desc", reader.readPage);
  expect(reader.pagesRead).toBeLessThanOrEqual(12);
});
