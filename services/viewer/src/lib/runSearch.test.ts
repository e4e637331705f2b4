import { expect, test } from "vitest";

import { RUN } from "../../test/fakeApi";
import { runsFound } from "./runSearch";

const runs = [
  { ...RUN, id: "a", source: "data/headlines.csv", subject: "gpt2" },
  { ...RUN, id: "b", source: "data/bulls.csv", subject: "gpt2" },
  { ...RUN, id: "c", source: "data/bulls.csv", subject: "pythia-70m" },
];
const titles = new Map([
  ["a", "headlines.csv · today 18:50"],
  ["b", "bulls.csv · today 09:00"],
  ["c", "bulls.csv · 3 Nov 09:00"],
]);
const idsFound = (text: string) => runsFound(runs, titles, text).map(({ id }) => id);

test("every word must be in something that is known of a run, in whatever case and order", () => {
  expect(idsFound("BULLS today")).toEqual(["b"]);
  expect(idsFound("nov pythia")).toEqual(["c"]);
  expect(idsFound("gpt2")).toEqual(["a", "b"]);
  expect(idsFound("pythia headlines")).toEqual([]);
});

test("a text without words means all runs, in their order", () => {
  expect(idsFound("  ")).toEqual(["a", "b", "c"]);
});
