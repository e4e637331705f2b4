/** On which tokens a feature fires: how many of its firings, how often the token makes it fire, and how strongly. */

import { type CSSProperties, useState } from "react";

import type { FeatureInfo, FeatureToken, TokenSpread } from "../../apiTypes";
import { type Band, bandAt } from "../../lib/bands";
import { wordsByToken } from "../../lib/examples";
import { formatCount, formatPlural, formatRoundShare, formatStrength } from "../../lib/format";
import type { Word } from "../../lib/tokens";
import { TokenChip } from "../TokenChips";
import { Panel } from "./Panel";
import { Words } from "./Words";

const SHOWN = 10;

export function TokenTable({ info, bands }: { info: FeatureInfo; bands: Band[] }) {
  const [all, setAll] = useState(false);
  const { tokens, token_spread: spread } = info;
  if (tokens === undefined || spread === undefined || tokens.length === 0) return null;
  const words = wordsByToken(info);
  const shown = all ? tokens : tokens.slice(0, SHOWN);
  const largest = tokens[0]?.share ?? 1;
  return (
    <Panel title="Fires on" note={spread.chunks < spread.of && `from ${spread.chunks} of ${spread.of} chunks so far`}>
      <table className="w-full text-xs tabular-nums">
        <thead>
          <tr className="text-muted">
            <th scope="col" className="font-normal">
              <span className="sr-only">token</span>
            </th>
            <th scope="col" className="text-left font-normal" colSpan={2}>
              of its firings
            </th>
            <th scope="col" className="pl-2 text-right font-normal">
              fires at
            </th>
            <th scope="col" className="pl-2 text-right font-normal" title="mean activation where it fires">
              mean
            </th>
          </tr>
        </thead>
        <tbody>
          {shown.map((token) => (
            <Row
              key={token.token_id}
              token={token}
              largest={largest}
              heat={bandAt(bands, token.mean_activation)?.heat ?? 1}
              words={words.get(token.token_id) ?? []}
            />
          ))}
        </tbody>
      </table>
      <Others tokens={tokens} spread={spread} shown={shown.length} all={all} onAll={setAll} />
    </Panel>
  );
}

type RowProps = { token: FeatureToken; largest: number; heat: number; words: Word[] };

function Row({ token, largest, heat, words }: RowProps) {
  const occurrences = Math.round(token.count / token.share_of_occurrences);
  return (
    <tr className="align-baseline">
      <th scope="row" className="max-w-36 truncate pr-2 text-left font-normal">
        <TokenChip token={token.token} />
        <Words words={words} />
      </th>
      <td className="w-1/4">
        <span
          aria-hidden="true"
          className="band-swatch token-bar inline-block h-2.5 rounded-xs"
          style={{ width: `${(100 * token.share) / largest}%`, "--heat": heat.toFixed(4) } as CSSProperties}
        />
      </td>
      <td className="pl-1.5 text-right whitespace-nowrap" title={formatPlural(token.count, "firing")}>
        {formatRoundShare(token.share)}
      </td>
      <td className="pl-2 text-right whitespace-nowrap text-muted">
        <span className="text-ink">{formatRoundShare(token.share_of_occurrences)}</span> of {formatCount(occurrences)}
      </td>
      <td className="pl-2 text-right">{formatStrength(token.mean_activation)}</td>
    </tr>
  );
}

type OthersProps = {
  tokens: FeatureToken[];
  spread: TokenSpread;
  shown: number;
  all: boolean;
  onAll: (all: boolean) => void;
};

/** What the table leaves out, which is part of what the run's files list, and all that they don't. */
function Others({ tokens, spread, shown, all, onAll }: OthersProps) {
  const number = tokens.length - shown + spread.left_out_tokens;
  const hidden = tokens.slice(shown).reduce((sum, { count }) => sum + count, 0);
  const share = (hidden + spread.left_out_count) / spread.num_active_tokens;
  return (
    <p className="mt-0.5 flex flex-wrap gap-x-3 text-xs text-muted tabular-nums">
      {number > 0 && (
        <span>
          {formatPlural(number, "other token")}, {formatRoundShare(share)}
        </span>
      )}
      {tokens.length > SHOWN && (
        <button
          type="button"
          className="no-print text-accent hover:underline"
          aria-expanded={all}
          onClick={() => {
            onAll(!all);
          }}
        >
          {all ? "show fewer" : `show ${tokens.length - shown} of them`}
        </button>
      )}
    </p>
  );
}
