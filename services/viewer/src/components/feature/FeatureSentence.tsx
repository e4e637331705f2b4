/** A feature in one sentence: on what it fires, how often and how strongly. Each number is said here and nowhere else. */

import { Fragment, type ReactNode } from "react";

import type { FeatureInfo } from "../../apiTypes";
import { wordsByToken } from "../../lib/examples";
import { formatCount, formatEdge, formatOneIn, formatRoundShare, formatShare, formatStrength } from "../../lib/format";
import { medianBin } from "../../lib/histogram";
import { TokenChip } from "../TokenChips";
import { Words } from "./Words";

const TOKENS = 4;
const NEGLIGIBLE = 0.02; // a token with a smaller share of the firings is not worth a place
const SCATTERED = 30; // so many tokens, in effect, are no list

export function FeatureSentence({ info }: { info: FeatureInfo }) {
  const parts = [firesOn(info), howOften(info), inTexts(info), howStrong(info)].filter((part) => part !== null);
  return (
    <p className="text-[0.9375rem] leading-7 text-muted">
      {parts.map((part, index) => (
        <Fragment key={index}>
          {index > 0 && <span aria-hidden="true"> · </span>}
          {index > 0 && <span className="sr-only">, </span>}
          {part}
        </Fragment>
      ))}
    </p>
  );
}

function firesOn(info: FeatureInfo): ReactNode {
  const { tokens = [], token_spread: spread } = info;
  const main = tokens.slice(0, TOKENS).filter(({ share }, place) => place === 0 || share >= NEGLIGIBLE);
  if (main.length === 0) return null;
  const words = wordsByToken(info);
  const isScattered = spread !== undefined && spread.effective_tokens > SCATTERED;
  return (
    <>
      {isScattered
        ? `Fires on ${formatCount(spread.num_distinct_tokens)} different tokens, most often on `
        : "Fires on "}
      {main.map(({ token_id: id, token, share }, place) => (
        <Fragment key={id}>
          {place > 0 && ", "}
          <span className="whitespace-nowrap">
            <TokenChip token={token} />
            <Words words={words.get(id)?.slice(0, 1) ?? []} /> {formatRoundShare(share)}
          </span>
        </Fragment>
      ))}
    </>
  );
}

function howOften({ density, num_active_tokens: active, num_tokens: all }: FeatureInfo): ReactNode {
  return (
    <>
      <strong className="font-semibold text-ink">
        {density > 0.5 ? `${formatShare(density)} of all tokens` : `1 token in ${formatOneIn(density)}`}
      </strong>{" "}
      ({formatCount(active)} of {formatCount(all)})
    </>
  );
}

function inTexts({ num_active_texts: active, num_texts: all }: FeatureInfo): ReactNode {
  if (active === undefined || all === undefined || all === 0) return null;
  return (
    <span title={`${formatCount(active)} of ${formatCount(all)} distinct texts`}>
      in {formatRoundShare(active / all)} of texts
    </span>
  );
}

function howStrong({ max_act: strongest, hist, bin_width: binWidth }: FeatureInfo): ReactNode {
  const median = medianBin(hist, binWidth);
  return (
    <>
      strongest <strong className="font-semibold text-ink">{formatStrength(strongest)}</strong>
      {median !== null && (
        <span title={`Half of the firings are stronger: the median is between ${median.from} and ${median.to}`}>
          , typical about {formatEdge((median.from + Math.min(median.to, strongest)) / 2)}
        </span>
      )}
    </>
  );
}
