/** The tokens that a feature makes likelier to come next, and those that it makes less likely, by the weights alone. */

import type { LogitEffects, TokenHistogram, TokenWeight } from "../../apiTypes";
import { formatPlural, formatSigned } from "../../lib/format";
import { TokenChip } from "../TokenChips";
import { Panel } from "./Panel";

const SHOWN = 8;
const HEIGHT = 22;

export function Logits({ logits }: { logits: LogitEffects }) {
  const { promoted, suppressed, histogram } = logits;
  const largest = Math.max(...[...promoted, ...suppressed].map(({ value }) => Math.abs(value)), 1e-9);
  return (
    <Panel title="Makes likelier, less likely" note="as the next token">
      <div className="grid grid-cols-2 gap-x-4">
        <Weights title="Makes likelier" tokens={promoted.slice(0, SHOWN)} largest={largest} colour="bg-plus" />
        <Weights title="Makes less likely" tokens={suppressed.slice(0, SHOWN)} largest={largest} colour="bg-minus" />
      </div>
      <EffectHistogram histogram={histogram} />
      <p className="mt-0.5 text-xs text-muted">
        Direct effect, per unit of activation: <bdi>{logits.variant}</bdi>. In layers far from the last it may mean
        little.
      </p>
    </Panel>
  );
}

type WeightsProps = { title: string; tokens: TokenWeight[]; largest: number; colour: string };

function Weights({ title, tokens, largest, colour }: WeightsProps) {
  return (
    <ol aria-label={title} className="min-w-0 text-xs tabular-nums">
      {tokens.map(({ token_id: id, token, value }) => (
        <li key={id} className="grid grid-cols-[minmax(0,1fr)_28%_2.6rem] items-baseline gap-x-1.5">
          <span className="truncate">
            <TokenChip token={token} />
          </span>
          <span
            aria-hidden="true"
            className={`token-bar h-2 self-center rounded-xs ${colour}`}
            style={{ width: `${(100 * Math.abs(value)) / largest}%` }}
          />
          <span className="text-right">{formatSigned(value)}</span>
        </li>
      ))}
    </ol>
  );
}

/** How many tokens of the vocabulary have which effect; a line where it is 0. */
function EffectHistogram({ histogram: { heights, low, high } }: { histogram: TokenHistogram }) {
  if (heights.length === 0 || high <= low) return null;
  const highest = Math.max(...heights);
  const number = heights.reduce((sum, height) => sum + height, 0);
  const zero = (100 * (0 - low)) / (high - low);
  return (
    <div className="mt-1 flex items-end gap-x-1.5 text-[0.6875rem] text-muted tabular-nums">
      {formatSigned(low)}
      <svg
        role="img"
        aria-label={`Effects on ${formatPlural(number, "token")} of the vocabulary, from ${formatSigned(low)} to ${formatSigned(high)}`}
        viewBox={`0 0 100 ${HEIGHT}`}
        preserveAspectRatio="none"
        height={HEIGHT}
        className="min-w-0 flex-1"
      >
        {heights.map((height, place) => {
          const tall = (HEIGHT * Math.sqrt(height)) / Math.sqrt(highest); // roots, so that the tails are seen
          const step = 100 / heights.length;
          return (
            <rect
              key={place}
              x={place * step}
              y={HEIGHT - tall}
              width={step * 0.9}
              height={tall}
              className="fill-faint"
            />
          );
        })}
        {zero > 0 && zero < 100 && <rect x={zero} y={0} width={0.4} height={HEIGHT} className="fill-ink" />}
      </svg>
      {formatSigned(high)}
    </div>
  );
}
