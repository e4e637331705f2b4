import { expect, test } from "vitest";

import type { Label, PromptList, Ranking } from "../apiTypes";
import { type Asked, targetsOf, typedNumber } from "./search";
import { DEFAULT_STATE } from "./viewState";

const ASKED: Asked = {
  text: "",
  state: { ...DEFAULT_STATE, run: "r" },
  numFeatures: 100,
  labels: [],
  features: undefined,
  rows: undefined,
};

function label(featureId: number, text: string | null): Label {
  return { feature_id: featureId, label: text, note: null, starred: true, author: null, updated_at: null };
}

const groups = (asked: Partial<Asked>) =>
  targetsOf({ ...ASKED, ...asked }).map(({ title, targets }) => [title, targets.map(({ href }) => href)]);

test("a blank text leads nowhere", () => {
  expect(groups({ text: "  " })).toEqual([]);
});

test("a number is a feature's, a token and a phrase", () => {
  expect(groups({ text: "12" })).toEqual([
    ["Number", ["/feature/12?run=r"]],
    ["Features by token", ["/?token=12&run=r"]],
    ["Rows", ["/prompts?text=12&run=r"]],
  ]);
});

test("a number that no feature has is none", () => {
  expect(groups({ text: "100" }).map(([title]) => title)).toEqual(["Features by token", "Rows"]);
});

test("spaces at the ends are part of a token, and not of a phrase", () => {
  expect(groups({ text: " up" })).toEqual([
    ["Features by token", ["/?token=+up&run=r"]],
    ["Rows", ["/prompts?text=up&run=r"]],
  ]);
});

test("what has a space in its middle is a phrase above all", () => {
  expect(groups({ text: "price target" }).map(([title]) => title)).toEqual(["Rows", "Features by token"]);
});

test("labels that begin with the text come first, whatever the case", () => {
  const labels = [label(1, "all dates"), label(9, "Dates"), label(4, null), label(2, "dates too")];
  expect(groups({ text: "DATES", labels })[0]).toEqual([
    "Labels",
    ["/feature/2?run=r", "/feature/9?run=r", "/feature/1?run=r"],
  ]);
});

test("what is known not to be there is left out, and what isn't known yet is not", () => {
  const features = { features: [], num_matching: 0 } as unknown as Ranking;
  const none = { prompts: [], next: null } as unknown as PromptList;
  const notYet = { prompts: [], next: 500 } as unknown as PromptList;
  expect(groups({ text: "zz", features, rows: none })).toEqual([]);
  expect(groups({ text: "zz", features, rows: notYet })).toEqual([["Rows", ["/prompts?text=zz&run=r"]]]);
});

test.each([
  ["12", 12],
  [" 12 ", 12],
  ["1.5", null],
  ["-1", null],
  ["1e3", null],
  ["9".repeat(16), null],
])("%j is the number %j", (text, number) => {
  expect(typedNumber(text)).toBe(number);
});
