import { expect, test } from "vitest";

import { GRAPH } from "../../test/fakeModels";
import { describeScores, drawnNodes } from "./graph";
import type { GraphNode } from "../apiTypes";

const leaf = (token: string, activation: number): GraphNode => ({ token, token_id: 1, activation, before: [] });

test("the strongest patterns come first, at each level", () => {
  const { nodes, leftOut } = drawnNodes(GRAPH.roots);
  expect(nodes[0]?.before.map(({ token, isStart }) => [token, isStart])).toEqual([
    [null, false], // through it to the strongest of all
    [null, true],
  ]);
  expect(nodes[0]?.activation).toBe(1.5);
  expect(leftOut).toBe(0);
});

test("of too many nodes those of weaker patterns are left out, and counted", () => {
  const roots = Array.from({ length: 450 }, (_, index) => leaf(` t${index}`, index));
  const { nodes, leftOut } = drawnNodes(roots);
  expect(nodes).toHaveLength(400);
  expect(nodes[0]?.token).toBe(" t449");
  expect(leftOut).toBe(50);
});

test("the scores are sentences, also where nothing can be said", () => {
  expect(describeScores(GRAPH.scores)).toEqual([
    "They find 62 % of its firings.",
    "Where they predict one, it fires in 48 % of cases.",
    "They explain 40 % of its strength.",
    "Held out for this: 40 activations drawn at random and 50 rows, 3,100 tokens in all.",
  ]);
  const unknown = { ...GRAPH.scores, recall: null, precision: null, explained: null };
  expect(describeScores(unknown).slice(0, 2)).toEqual([
    "No firing was held out, so it isn’t known how many they find.",
    "They predict no firing in the texts looked at.",
  ]);
  expect(describeScores({ ...GRAPH.scores, explained: -0.3 })[2]).toContain("no better than if it never fired");
});
