import { expect, test } from "vitest";

import { GRAPH } from "../../test/fakeModels";
import { describeScores, drawnNodes } from "./graph";
import type { GraphNode } from "../apiTypes";

const leaf = (token: string, activation: number): GraphNode => ({ token, token_id: 1, activation, before: [] });

test("the strongest patterns come first, at each level", () => {
  const { nodes, leftOut } = drawnNodes(GRAPH.roots);
  expect(nodes[0]).toMatchObject({ tokens: [{ kind: "token", token: " rises" }], activation: 1.5, strongest: 3 });
  expect(nodes[0]?.before.map(({ activation }) => activation)).toEqual([3, 2]);
  expect(nodes[0]?.before[1]?.tokens).toEqual([{ kind: "start" }]);
  expect(leftOut).toBe(0);
});

test("tokens without a branch between them are one line, in the order of the text", () => {
  const any = (before: GraphNode[]): GraphNode => ({ token: null, token_id: null, before });
  const { nodes } = drawnNodes([{ token: " up", token_id: 1, before: [any([any([leaf(" goes", 3)])])] }]);
  expect(nodes[0]?.tokens).toEqual([
    { kind: "token", token: " goes" },
    { kind: "any", count: 2 },
    { kind: "token", token: " up" },
  ]);
  expect(nodes[0]).toMatchObject({ activation: 3, before: [] });
});

test("a line ends where a pattern ends or several go on", () => {
  const { nodes } = drawnNodes([{ ...leaf(" up", 2), before: [leaf(" goes", 3)] }]);
  expect(nodes[0]?.tokens).toHaveLength(1);
  expect(nodes[0]?.before[0]?.activation).toBe(3);
  expect(drawnNodes([{ token: " up", token_id: 1, before: [leaf(" a", 1), leaf(" b", 2)] }]).nodes[0]).toMatchObject({
    tokens: [{ kind: "token", token: " up" }],
    activation: null,
    strongest: 2,
  });
});

test("of too many nodes those of weaker patterns are left out, and counted", () => {
  const roots = Array.from({ length: 450 }, (_, index) => leaf(` t${index}`, index));
  const { nodes, leftOut } = drawnNodes(roots);
  expect(nodes).toHaveLength(400);
  expect(nodes[0]?.tokens).toEqual([{ kind: "token", token: " t449" }]);
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
