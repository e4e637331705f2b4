/** Where in its windows a feature fires: by ranges of positions, and in words where that is remarkable. */

import type { Positions } from "../apiTypes";
import { formatRoundShare } from "./format";

export type PositionBar = { name: string; share: number; shareOfTokens: number; numTokens: number };

const REMARKABLE_SHARE = 0.2;
const REMARKABLE_RATIO = 3; // more often than tokens are there

/** The ranges of positions that have tokens, first and later windows of rows together. */
export function positionBars({ ranges }: Positions): PositionBar[] {
  const firsts = [...new Set(ranges.map(({ first }) => first))];
  const all = { firings: sum(ranges, "num_active_tokens") || 1, tokens: sum(ranges, "num_tokens") || 1 };
  return firsts
    .map((first) => {
      const own = ranges.filter((range) => range.first === first);
      const last = own[0]?.last ?? null;
      return {
        name: last === null ? `${first}+` : last === first ? String(first) : `${first}–${last}`,
        share: sum(own, "num_active_tokens") / all.firings,
        shareOfTokens: sum(own, "num_tokens") / all.tokens,
        numTokens: sum(own, "num_tokens"),
      };
    })
    .filter(({ numTokens }) => numTokens > 0);
}

/** What is remarkable about where it fires; null where nothing is. */
export function describePositions(positions: Positions): string | null {
  const {
    early_share: early,
    early_share_of_tokens: ofTokens,
    cut_share: cut,
    cut_share_of_tokens: cutOfTokens,
  } = positions;
  if (cut > REMARKABLE_SHARE && cut > REMARKABLE_RATIO * cutOfTokens) {
    return `${formatRoundShare(cut)} of its firings are where a long row was cut (${formatRoundShare(cutOfTokens)} of tokens are).`;
  }
  if (early > REMARKABLE_SHARE && early > REMARKABLE_RATIO * ofTokens) {
    return `${formatRoundShare(early)} of its firings are at the first two tokens (${formatRoundShare(ofTokens)} of tokens are).`;
  }
  return null;
}

function sum<Key extends string>(items: readonly Record<Key, number>[], key: Key): number {
  return items.reduce((total, item) => total + item[key], 0);
}
