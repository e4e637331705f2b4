import { expect, test } from "vitest";

import { bandAt, bandsOf, heatByBand, linesPerBand } from "./bands";

const WIDTH = { bin_width: 0.2 };

function ranges(hist: Record<string, number>, max_act: number) {
  return bandsOf({ hist, ...WIDTH, max_act }).map(({ above, upTo, count }) => [above, upTo, count]);
}

test("bands end where the activation doubles, and the strongest with the maximum", () => {
  expect(ranges({ "1": 2, "2": 2, "3": 1, "4": 1, "5": 2, "6": 1 }, 1.15)).toEqual([
    [0, 0.2, 2],
    [0.2, 0.4, 2],
    [0.4, 0.8, 2],
    [0.8, 1.15, 3],
  ]);
});

test("a range without activations is no band", () => {
  expect(ranges({ "1": 2, "3": 1, "4": 1 }, 0.7)).toEqual([
    [0, 0.2, 2],
    [0.4, 0.7, 2],
  ]);
});

test("a band that holds most activations is halved", () => {
  expect(ranges({ "1": 1, "5": 10, "6": 10, "7": 10, "8": 10 }, 1.6)).toEqual([
    [0, 0.2, 1],
    [0.8, 1.2, 20],
    [1.2, 1.6, 20],
  ]);
});

test("a band isn't halved where a half would be nearly empty", () => {
  expect(ranges({ "1": 1, "5": 1, "8": 40 }, 1.6)).toEqual([
    [0, 0.2, 1],
    [0.8, 1.6, 41],
  ]);
});

test("bands share the lines of the page evenly, and what one doesn't need others get", () => {
  expect(linesPerBand([20, 20, 20, 20, 20])).toEqual([6, 6, 6, 6, 6]);
  expect(linesPerBand([1, 2, 20, 20, 20])).toEqual([1, 2, 9, 9, 9]);
  expect(linesPerBand([20, 20, 20, 20])).toEqual([7, 7, 8, 8]);
  expect(linesPerBand([3])).toEqual([3]);
});

test("where there would be more than six bands, the weakest are one", () => {
  const hist = Object.fromEntries([1, 2, 3, 5, 9, 17, 33, 65].map((bin) => [String(bin), 1]));
  expect(ranges(hist, 13)).toEqual([
    [0, 0.8, 3],
    [0.8, 1.6, 1],
    [1.6, 3.2, 1],
    [3.2, 6.4, 1],
    [6.4, 12.8, 1],
    [12.8, 13, 1],
  ]);
});

test("bands together count every activation of the histogram once", () => {
  const hist = { "2": 7, "9": 300, "10": 40, "14": 90, "15": 3, "40": 12 };
  const counts = bandsOf({ hist, ...WIDTH, max_act: 7.9 }).map(({ count }) => count);
  expect(counts.reduce((sum, count) => sum + count)).toBe(452);
});

test("the stronger a band the fuller its colour, and a token has the colour of its band", () => {
  const bands = bandsOf({ hist: { "1": 2, "2": 2, "3": 2 }, ...WIDTH, max_act: 0.55 });
  const heats = bands.map(({ heat }) => heat);
  expect(heats).toEqual(heats.toSorted((one, other) => one - other));
  expect(heats.at(-1)).toBe(1);
  expect([0, 0.1, 0.2, 0.21, 0.55, 0.6].map(heatByBand(bands))).toEqual([
    0,
    heats[0],
    heats[0],
    heats[1],
    heats[2],
    heats[2],
  ]);
  expect(bandAt(bands, 0)).toBeUndefined();
});
