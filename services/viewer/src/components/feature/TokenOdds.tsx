/** All tokens that a feature is known to fire on, by how often it fires where they occur: what a reader predicts with. */

import type { FeatureInfo, FeatureToken } from "../../apiTypes";
import { wordsByToken } from "../../lib/examples";
import { formatCount, formatRoundShare } from "../../lib/format";
import type { Word } from "../../lib/tokens";
import { type Odds, tokenOdds } from "../../lib/tokenOdds";
import { TokenChip } from "../TokenChips";
import { Words } from "./Words";

const NAMES: Record<Odds, [name: string, range: string]> = {
  always: ["Always, or nearly", "95 % or more"],
  mostly: ["Mostly", "50 to 95 %"],
  sometimes: ["Sometimes", "10 to 50 %"],
  rarely: ["Rarely", "under 10 %"],
};

export function TokenOdds({ info }: { info: FeatureInfo }) {
  const { tokens = [], token_spread: spread } = info;
  if (tokens.length === 0) return null;
  const words = wordsByToken(info);
  const left = spread?.left_out_tokens ?? 0;
  return (
    <section aria-labelledby="token-odds" className="panel mt-2">
      <div className="flex flex-wrap items-baseline gap-x-3 bg-sunken px-3 py-0.5 text-xs">
        <h3 id="token-odds" className="font-semibold">
          Where these tokens occur, it fires
        </h3>
        <span className="text-muted">
          of all their occurrences
          {left > 0 && `; ${formatCount(left)} more tokens have made it fire, each with fewer firings`}
        </span>
      </div>
      <dl className="grid grid-cols-[max-content_minmax(0,1fr)] gap-x-4 gap-y-1 px-3 py-1.5 text-xs tabular-nums">
        {tokenOdds(tokens).map(([odds, group]) => (
          <div key={odds} className="contents">
            <dt className="leading-6">
              {NAMES[odds][0]} <span className="block text-[0.6875rem] leading-3 text-muted">{NAMES[odds][1]}</span>
            </dt>
            <dd className="flex flex-wrap gap-x-3 leading-6">
              {group.map((token) => (
                <TokenWithOdds key={token.token_id} token={token} words={words.get(token.token_id) ?? []} />
              ))}
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function TokenWithOdds({ token, words }: { token: FeatureToken; words: Word[] }) {
  const occurrences = Math.round(token.count / token.share_of_occurrences);
  return (
    <span
      className="max-w-full truncate whitespace-nowrap"
      title={`fires at ${formatCount(token.count)} of its ${formatCount(occurrences)} occurrences`}
    >
      <TokenChip token={token.token} />
      <Words words={words.slice(0, 1)} />{" "}
      <span className="text-muted">
        {formatRoundShare(token.share_of_occurrences)} of {formatCount(occurrences)}
      </span>
    </span>
  );
}
