/** Where the feature doesn't fire on tokens that it often fires on. */

import { firingsOn, mixed, type NearMisses } from "../../lib/examples";
import { formatCount, formatRoundShare } from "../../lib/format";
import type { FeatureInfo } from "../../apiTypes";
import { TokenChip } from "../TokenChips";
import { ExampleList, type ListLook } from "./ExampleList";

const MIXED = 12;
const TOKENS = 10;
const MOST = 10; // of one token
const FIRING = 3; // as many places at which it does fire, to compare

/** Some of all tokens, below the bands. */
export function MixedNearMisses({ misses, ...look }: ListLook & { misses: NearMisses[] }) {
  if (misses.length === 0) return null;
  return (
    <section aria-labelledby="near-misses" className="panel mt-2">
      <div className="flex flex-wrap items-baseline gap-x-3 bg-sunken px-3 py-0.5 text-xs">
        <h2 id="near-misses" className="font-semibold">
          Same words, and it doesn’t fire
        </h2>
        <span className="text-muted">
          framed: where it is silent; in texts without colour only that token was looked at
        </span>
      </div>
      <ExampleList texts={mixed(misses, MIXED)} label="Where it doesn’t fire" {...look} />
    </section>
  );
}

/** All that are known, token by token, each below places at which the token does make it fire. */
export function NearMissesByToken({ misses, info, ...look }: ListLook & { misses: NearMisses[]; info: FeatureInfo }) {
  return (
    <div className="panel divide-y divide-line">
      {misses.slice(0, TOKENS).map(({ token, examples }) => {
        const firing = firingsOn(info, token.token_id).slice(0, FIRING);
        const name = token.token.trim();
        const occurrences = Math.round(token.count / token.share_of_occurrences);
        return (
          <section key={token.token_id} aria-label={`Where “${name}” doesn’t make it fire`}>
            <h2 className="flex flex-wrap items-baseline gap-x-2 bg-sunken px-3 py-0.5 text-xs text-muted">
              <TokenChip token={token.token} />
              <span>
                fires at {formatRoundShare(token.share_of_occurrences)} of its {formatCount(occurrences)}
              </span>
            </h2>
            {firing.length > 0 && (
              <>
                <ExampleList texts={firing} label={`Firing on “${name}”`} {...look} />
                <p className="px-3 text-xs text-muted">but not here:</p>
              </>
            )}
            <ExampleList texts={examples.slice(0, MOST)} label={`Not firing on “${name}”`} {...look} />
          </section>
        );
      })}
    </div>
  );
}
