/** The ways to the tokens before and after those that a matrix shows; nothing where it shows all. */

import { formatCount } from "../../lib/format";
import { tokenNumber } from "../../lib/rowFeatures";

/** Tokens that are shown at once, and as many are asked for. */
export const STRETCH = 128;

type Props = { from: number; count: number; onFrom: (from: number) => void };

export function Stretches({ from, count, onFrom }: Props) {
  if (count <= STRETCH) return null;
  const last = Math.min(from + STRETCH, count);
  return (
    <div role="group" aria-label="Tokens shown" className="flex items-center gap-2 tabular-nums">
      <button
        type="button"
        className="control"
        aria-label="Tokens before"
        disabled={from === 0}
        onClick={() => {
          onFrom(from - STRETCH);
        }}
      >
        ←
      </button>
      <span>
        tokens {formatCount(tokenNumber(from))}–{formatCount(last)} of {formatCount(count)}
      </span>
      <button
        type="button"
        className="control"
        aria-label="Tokens after"
        disabled={last === count}
        onClick={() => {
          onFrom(from + STRETCH);
        }}
      >
        →
      </button>
    </div>
  );
}
