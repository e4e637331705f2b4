/** The patterns of tokens that a feature fires on, and how well they predict it. Knows nothing of how they are drawn. */

import { formatCount, formatPlural, formatRoundShare } from "./format";
import type { GraphNode, GraphScores } from "../apiTypes";

const MOST_NODES = 400; // in one picture; a trie of dozens of examples has fewer

/** A token of a pattern, any token, or the beginning of the text. */
export type PatternToken = { kind: "token"; token: string } | { kind: "any"; count: number } | { kind: "start" };

/** A line of the picture: the tokens that stand before those of the line above, in the order of the text. */
export type DrawnNode = {
  tokens: PatternToken[];
  /** Predicted where a pattern ends here; null: none does. */
  activation: number | null;
  /** Of the patterns through it; it decides the order. */
  strongest: number;
  before: DrawnNode[];
};

/** The lines with the strongest patterns first, and how many of all are left out for want of room. */
export function drawnNodes(roots: readonly GraphNode[]): { nodes: DrawnNode[]; leftOut: number } {
  const all = roots.map(drawn).sort(strongestFirst);
  let room = MOST_NODES;
  const fitting = (nodes: readonly DrawnNode[]): DrawnNode[] =>
    nodes.flatMap((node) => {
      if (room === 0) return [];
      room -= 1;
      return [{ ...node, before: fitting(node.before) }];
    });
  const nodes = fitting(all);
  return { nodes, leftOut: Math.max(0, count(all) - (MOST_NODES - room)) };
}

/** A node with all that follow it without a branch, where no pattern ends between them: they are one line. */
function drawn(node: GraphNode): DrawnNode {
  const tokens: PatternToken[] = [];
  let last = node;
  for (;;) {
    putBefore(tokens, last);
    const [only] = last.before;
    if (only === undefined || last.before.length > 1 || last.activation !== undefined) break;
    last = only;
  }
  const before = last.before.map(drawn).sort(strongestFirst);
  const activation = last.activation ?? null;
  return { tokens, activation, strongest: Math.max(activation ?? 0, ...before.map((one) => one.strongest)), before };
}

function putBefore(tokens: PatternToken[], { token, is_start: isStart = false }: GraphNode): void {
  const [next] = tokens;
  if (isStart) tokens.unshift({ kind: "start" });
  else if (token !== null) tokens.unshift({ kind: "token", token });
  else if (next?.kind === "any") next.count += 1;
  else tokens.unshift({ kind: "any", count: 1 });
}

function strongestFirst(one: DrawnNode, other: DrawnNode): number {
  return other.strongest - one.strongest;
}

function count(nodes: readonly DrawnNode[]): number {
  return nodes.reduce((sum, { before }) => sum + 1 + count(before), 0);
}

/** The scores in words; null are those that nothing could be said of. */
export function describeScores(scores: GraphScores): string[] {
  const { recall, precision, explained } = scores;
  return [
    recall === null
      ? "No firing was held out, so it isn’t known how many they find."
      : `They find ${formatRoundShare(recall)} of its firings.`,
    precision === null
      ? "They predict no firing in the texts looked at."
      : `Where they predict one, it fires ${precision === 1 ? "always" : `in ${formatRoundShare(precision)} of cases`}.`,
    ...(explained === null ? [] : [describeExplained(explained)]),
    `Held out for this: ${formatPlural(scores.num_examples, "activation")} drawn at random and ${formatPlural(scores.num_rows, "row")}, ${formatCount(scores.num_tokens)} tokens in all.`,
  ];
}

function describeExplained(explained: number): string {
  return explained <= 0
    ? "Its strength they predict no better than if it never fired."
    : `They explain ${formatRoundShare(explained)} of its strength.`;
}
