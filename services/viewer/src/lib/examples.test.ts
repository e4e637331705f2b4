import { expect, test } from "vitest";

import type { FeatureInfo, FeatureToken, Sequence } from "../apiTypes";
import { bandsOf } from "./bands";
import { examplesByBand, mixed, nearMisses, strongestFirst, wordsByToken } from "./examples";

/** A text of these tokens, each with its own id; the feature's activation by token. */
function text(row: number, tokens: string[], acts: number[], idx: number): Sequence {
  const ids = tokens.map((token) => Array.from(token).reduce((sum, letter) => sum * 31 + letter.charCodeAt(0), 7));
  return {
    density: 0,
    doc_id: row,
    row_id: row,
    offset: 0,
    first_counted: 1,
    idx,
    act: acts[idx] ?? 0,
    acts,
    tokens,
    token_ints: ids,
    prompt: tokens.join(""),
    prompt_tokens: tokens,
    prompt_snippet: "",
    count: 1,
  };
}

function listed(example: Sequence, share: number, shareOfOccurrences: number): FeatureToken {
  const token = example.tokens[example.idx] ?? "";
  const id = example.token_ints[example.idx] ?? 0;
  const rest = { count: 1, mean_activation: 1, max_activation: 1 };
  return { token_id: id, token, share, share_of_occurrences: shareOfOccurrences, ...rest };
}

const UP = text(1, ["^", " up", " we", " go", " up"], [0, 0.9, 0, 0, 0], 1);
const UP_AGAIN = text(2, ["^", " up", " we", " go", " up"], [0, 0.8, 0, 0, 0], 1);
const DOWN = text(3, ["^", "sun", "down", "er", " is"], [0, 0, 0.1, 0, 0], 2);
const ALSO_UP = text(4, ["^", " price", " up"], [0, 0, 0.85], 2);
const INFO = {
  hist: { "1": 1, "5": 3 },
  bin_width: 0.2,
  max_act: 0.9,
  top: [UP, ALSO_UP, UP_AGAIN, DOWN],
  random: [DOWN, UP],
} as unknown as FeatureInfo;

function rows(examples: readonly { row_id: number }[] | undefined): number[] {
  return (examples ?? []).map(({ row_id: row }) => row);
}

test("each example is in its band, once, and equal texts are one", () => {
  const found = examplesByBand(INFO, bandsOf(INFO));
  expect(rows(found.get(0))).toEqual([3]);
  expect(rows(found.get(1))).toEqual([1, 4]);
});

test("the strongest example is among the few that are shown", () => {
  const weaker = text(9, ["^", " other"], [0, 0.81], 1);
  const found = examplesByBand({ ...INFO, top: [UP], random: [weaker] }, bandsOf(INFO));
  expect(rows(strongestFirst(found.get(1) ?? [], 1))).toEqual([1]);
});

test("the first few examples of a band are of different tokens", () => {
  const others = [text(5, ["^", " a", " up"], [0, 0, 0.82], 2), text(6, ["^", " rise"], [0, 0.81], 1)];
  const found = examplesByBand({ ...INFO, random: [...others] }, bandsOf(INFO));
  expect(rows(found.get(1)).slice(0, 2)).toEqual([1, 6]);
});

test("a main token at which it is silent in a stored text is a near miss, with what fires there", () => {
  const misses = nearMisses({ ...INFO, tokens: [listed(UP, 0.5, 0.5)] });
  expect(misses.map(({ examples }) => examples.map(({ row_id, idx, acts }) => [row_id, idx, acts]))).toEqual([
    [[1, 4, UP.acts]],
  ]);
});

test("tokens that aren't counted are no near misses", () => {
  const early = { ...UP, first_counted: 5 };
  expect(nearMisses({ ...INFO, top: [early], random: [], tokens: [listed(UP, 0.5, 0.5)] })).toEqual([]);
});

test("near misses that were drawn come first, and of other tokens in such a text nothing is claimed", () => {
  const place = { row_id: 8, offset: 0, idx: 1, tokens: ["^", " up", "!"], token_ints: [1, 2, 3] };
  const token = listed(UP, 0.5, 0.5);
  const drawn = [{ token_id: token.token_id, token: token.token, sampled: 8, firing: 4, examples: [place] }];
  const [first] = nearMisses({ ...INFO, tokens: [token], not_firing: drawn })[0]?.examples ?? [];
  expect(first).toEqual({ ...place, acts: null, count: null });
});

test("a token that always makes it fire has no near misses", () => {
  expect(nearMisses({ ...INFO, tokens: [listed(UP, 0.5, 1)] })).toEqual([]);
});

test("a comma at which it hardly ever fires comes after tokens that tell more, and only where those are few", () => {
  const comma = { token: listed(UP, 0.5, 0.005), examples: [{ ...UP, acts: null, count: null }] };
  const often = [11, 12, 13, 14].map((row) => ({ ...DOWN, row_id: row }));
  const words = { token: listed(DOWN, 0.1, 0.5), examples: often };
  const others = { token: listed(DOWN, 0.1, 0.5), examples: often.map((one) => ({ ...one, row_id: one.row_id + 10 })) };
  expect(rows(mixed([comma, words], 12))).toEqual([11, 12, 13, 14, 1]);
  expect(rows(mixed([comma, words, others], 8))).toEqual([11, 21, 12, 22, 13, 23, 14, 24]);
});

test("a part of a word is shown in the word in which it fired", () => {
  expect([...wordsByToken(INFO).values()]).toEqual([[{ before: "sun", token: "down", after: "er" }]]);
});
