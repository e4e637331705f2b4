/** How often a feature fires where a token occurs, in a few words. */

import type { FeatureToken } from "../apiTypes";

export type Odds = "always" | "mostly" | "sometimes" | "rarely";

const LEAST: [Odds, number][] = [
  ["always", 0.95],
  ["mostly", 0.5],
  ["sometimes", 0.1],
  ["rarely", 0],
];

/** The tokens by their odds, the most certain first, and among equals those with the most firings first. */
export function tokenOdds(tokens: FeatureToken[]): [Odds, FeatureToken[]][] {
  return LEAST.map(([odds, least], place): [Odds, FeatureToken[]] => {
    const below = place === 0 ? Infinity : (LEAST[place - 1]?.[1] ?? Infinity);
    return [odds, tokens.filter(({ share_of_occurrences: share }) => share >= least && share < below)];
  }).filter(([, group]) => group.length > 0);
}
