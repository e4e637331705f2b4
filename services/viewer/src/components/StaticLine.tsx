/** A text on one line around the token that it is listed for, coloured; only to be looked at. */

import type { CSSProperties } from "react";

import type { Sequence } from "../apiTypes";
import { formatStrength } from "../lib/format";
import { cutAround } from "../lib/kwic";
import { isRightToLeft, isStartOfText } from "../lib/tokens";
import { TokenPieces } from "./TokenPieces";

type Props = { text: Sequence; heatOf: (activation: number) => number; room: number };

export function StaticLine({ text, heatOf, room }: Props) {
  const cut = cutAround(text.tokens, text.idx, room);
  const drawn = (from: number, to: number) =>
    text.tokens.slice(from, to + 1).map((token, place) => {
      const index = from + place;
      const heat = heatOf(text.acts[index] ?? 0);
      const start = isStartOfText(token, index);
      return (
        <span
          key={index}
          className={`token${heat > 0 ? " token-fires" : ""}${index === text.idx ? " token-peak" : ""}${start ? " token-mark" : ""}`}
          style={heat > 0 ? ({ "--heat": heat.toFixed(4) } as CSSProperties) : undefined}
        >
          {start ? "⟨bos⟩" : <TokenPieces token={token} />}
        </span>
      );
    });
  return (
    <li className="grid grid-cols-[2.75rem_minmax(0,1fr)] items-baseline">
      <span className="text-xs font-semibold tabular-nums">{formatStrength(text.act)}</span>
      <div dir={isRightToLeft(text.tokens) ? "rtl" : "ltr"} className="kwic font-mono text-xs">
        <div className="kwic-before">
          <span>{drawn(cut.first, text.idx - 1)}</span>
        </div>
        <div className="kwic-after">{drawn(text.idx, cut.last)}</div>
      </div>
    </li>
  );
}
