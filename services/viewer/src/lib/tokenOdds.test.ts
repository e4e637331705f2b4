import { expect, test } from "vitest";

import type { FeatureToken } from "../apiTypes";
import { tokenOdds } from "./tokenOdds";

function token(id: number, share: number): FeatureToken {
  return {
    token_id: id,
    token: `t${id}`,
    count: 10,
    share: 0.1,
    share_of_occurrences: share,
    mean_activation: 1,
    max_activation: 2,
  };
}

test("tokens are put together by how often the feature fires where they occur, in the order of their firings", () => {
  const tokens = [token(1, 0.5), token(2, 1), token(3, 0.02), token(4, 0.95), token(5, 0.94), token(6, 0.1)];
  expect(tokenOdds(tokens).map(([odds, group]) => [odds, ...group.map(({ token_id: id }) => id)])).toEqual([
    ["always", 2, 4],
    ["mostly", 1, 5],
    ["sometimes", 6],
    ["rarely", 3],
  ]);
});

test("what no token does is left out", () => {
  expect(tokenOdds([token(1, 0.2)]).map(([odds]) => odds)).toEqual(["sometimes"]);
  expect(tokenOdds([])).toEqual([]);
});
