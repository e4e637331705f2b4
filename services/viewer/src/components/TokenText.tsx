/**
 * A window's text, token by token, coloured by the feature's activation: whole, or one line around the token it is
 * listed for.
 *
 * Arrow keys move from token to token. Where the Tab key stops is up to what holds the texts (useTextLines). Knows nothing
 * of where the text comes from.
 */

import { type CSSProperties, memo, useId, useRef } from "react";

import { useTokenCursor } from "../hooks/useTokenCursor";
import { formatStrength } from "../lib/format";
import { activationOf, type Occurrence } from "../lib/examples";
import { type Cut, cutAround } from "../lib/kwic";
import { isRightToLeft, isStartOfText } from "../lib/tokens";
import { TokenPieces } from "./TokenPieces";
import { TokenTooltip } from "./TokenTooltip";
import { Tooltip } from "./Tooltip";

export type TextLook = {
  /** How full the colour of an activation is, 0 to 1. */
  heatOf: (activation: number) => number;
  breakLines: boolean;
  /** How many characters of the text fit on a line; null shows it whole. */
  room: number | null;
};

export function TokenText({ text, heatOf, breakLines, room }: TextLook & { text: Occurrence }) {
  const tooltipId = useId();
  const group = useRef<HTMLDivElement>(null);
  const cut = room === null ? null : cutAround(text.tokens, text.idx, room);
  const first = cut?.first ?? 0;
  const last = cut?.last ?? text.tokens.length - 1;
  const { pointed, handlers } = useTokenCursor({ group, first, last, initial: text.idx });

  const drawn = (from: number, to: number) =>
    text.tokens.slice(from, to + 1).map((token, place) => {
      const index = from + place;
      return (
        <Token
          key={index}
          token={token}
          index={index}
          heat={heatOf(text.acts?.[index] ?? 0)}
          isPeak={index === text.idx}
          breakLines={breakLines && room === null}
          describedBy={index === pointed?.index ? tooltipId : undefined}
        />
      );
    });

  return (
    <>
      <div
        ref={group}
        role="group"
        aria-label={describe(text)}
        dir={cut === null ? "auto" : isRightToLeft(text.tokens) ? "rtl" : "ltr"}
        className={`font-mono text-[0.8125rem] ${cut === null ? "leading-6 break-words whitespace-pre-wrap" : "kwic"}`}
        {...handlers}
      >
        {cut === null ? drawn(first, last) : <OneLine cut={cut} idx={text.idx} drawn={drawn} />}
      </div>
      {pointed !== null && (
        <Tooltip id={tooltipId} anchor={pointed.anchor}>
          <TokenTooltip text={text} index={pointed.index} />
        </Tooltip>
      )}
    </>
  );
}

type OneLineProps = { cut: Cut; idx: number; drawn: (from: number, to: number) => React.ReactNode };

/** What is before the token ends where the token begins, on every line at the same place. */
function OneLine({ cut, idx, drawn }: OneLineProps) {
  return (
    <>
      <div className="kwic-before">
        <span>
          {cut.isCutBefore && <Ellipsis />}
          {drawn(cut.first, idx - 1)}
        </span>
      </div>
      <div className="kwic-after">
        {drawn(idx, cut.last)}
        {cut.isCutAfter && <Ellipsis />}
      </div>
    </>
  );
}

function Ellipsis() {
  return <span className="text-faint">…</span>;
}

/** What is read out before the text: where it is, and what the feature does in it. */
function describe(text: Occurrence): string {
  const own = (text.tokens[text.idx] ?? "").trim();
  const start = `Row ${text.row_id}: “${own}” ${formatStrength(activationOf(text))}`;
  const others = (text.acts ?? []).flatMap((act, index) =>
    act > 0 && index !== text.idx ? [`“${(text.tokens[index] ?? "").trim()}” ${formatStrength(act)}`] : [],
  );
  const most = 5;
  const rest = others.length > most ? [`${others.length - most} more`] : [];
  return [start, ...others.slice(0, most), ...rest].join(", ");
}

type TokenProps = {
  token: string;
  index: number;
  heat: number;
  isPeak: boolean;
  breakLines: boolean;
  describedBy: string | undefined;
};

const Token = memo(function Token({ token, index, heat, isPeak, breakLines, describedBy }: TokenProps) {
  const start = isStartOfText(token, index);
  return (
    <span
      className={`token${heat > 0 ? " token-fires" : ""}${isPeak ? " token-peak" : ""}${start ? " token-mark" : ""}`}
      style={heat > 0 ? ({ "--heat": heat.toFixed(4) } as CSSProperties) : undefined}
      data-index={index}
      // an element with a direction of its own doesn't decide the direction of the text after it
      dir={start ? "ltr" : undefined}
      aria-describedby={describedBy}
      data-main={isPeak || undefined}
      tabIndex={-1}
    >
      {start ? "⟨bos⟩" : <TokenPieces token={token} breakLines={breakLines} />}
    </span>
  );
});
