/** How the prediction of a token changes, in numbers and words, and the tokens that are pushed up and down there. */

import { describeEffect, formatNats, type TokenEffect } from "../../lib/effects";
import { formatSigned } from "../../lib/format";
import type { PushedTokens } from "../../apiTypes";
import { TokenChip } from "../TokenChips";

const SHOWN = 10;

type Props = {
  /** The token that is pointed at. */
  token: string | null;
  /** Whether it comes before all that can change. */
  isBefore: boolean;
  effect: TokenEffect | null;
};

export function TokenEffectPanel({ token, isBefore, effect }: Props) {
  return (
    <section
      aria-label="Prediction"
      aria-live="polite"
      tabIndex={effect === null ? undefined : 0} // on a phone it scrolls
      className="panel px-3 py-2 text-xs max-lg:sticky max-lg:bottom-0 max-lg:z-20 max-lg:max-h-[40vh] max-lg:overflow-y-auto max-lg:shadow-lg lg:sticky lg:top-16"
    >
      {token === null && <p className="text-muted">Point at a token to see how its prediction changes.</p>}
      {token !== null && (
        <h4 className="flex flex-wrap items-baseline gap-x-2 text-sm font-semibold">
          <TokenChip token={token} />
          {effect === null ? (
            <span className="font-normal text-muted">
              {isBefore ? "predicted before the activation: nothing changes" : "nothing is known of its prediction"}
            </span>
          ) : (
            describeEffect(effect)
          )}
        </h4>
      )}
      {effect !== null && (
        <>
          <dl className="mt-1 grid grid-cols-[max-content_minmax(0,1fr)] gap-x-3 tabular-nums">
            <dt className="text-muted">change of the loss</dt>
            <dd>{signedNats(effect.loss)}</dd>
            <dt className="text-muted">direct effect alone</dt>
            <dd title="if only the final norm and the unembedding saw the difference">{signedNats(effect.direct)}</dd>
            <dt className="text-muted">KL divergence</dt>
            <dd>{formatNats(effect.kl)}</dd>
          </dl>
          {effect.pushed !== null && (
            <div className="mt-2 grid grid-cols-2 gap-x-4 gap-y-2">
              <Pushed title="Pushed up, by logits" pushed={effect.pushed.up_logits} format={formatSigned} />
              <Pushed title="Pushed down, by logits" pushed={effect.pushed.down_logits} format={formatSigned} />
              <Pushed title="Up, by probability" pushed={effect.pushed.up_probs} format={formatPoints} />
              <Pushed title="Down, by probability" pushed={effect.pushed.down_probs} format={formatPoints} />
            </div>
          )}
        </>
      )}
    </section>
  );
}

type PushedProps = { title: string; pushed: PushedTokens; format: (by: number) => string };

function Pushed({ title, pushed, format }: PushedProps) {
  return (
    <section className="min-w-0">
      <h5 className="text-muted">{title}</h5>
      <ol aria-label={title} className="tabular-nums">
        {pushed.tokens.slice(0, SHOWN).map((token, place) => (
          <li key={pushed.token_ids[place]} className="flex justify-between gap-x-2">
            <span className="truncate">
              <TokenChip token={token} />
            </span>
            {format(pushed.by[place] ?? 0)}
          </li>
        ))}
      </ol>
    </section>
  );
}

function signedNats(value: number): string {
  return `${value < 0 ? "−" : "+"}${formatNats(Math.abs(value))}`;
}

/** A difference of probabilities in percentage points. */
function formatPoints(by: number): string {
  const points = 100 * by;
  const size = Math.abs(points);
  return `${points < 0 ? "−" : "+"}${size < 0.01 ? size.toExponential(0) : size.toFixed(2)} pp`;
}
