/**
 * A window's text, token by token, coloured by the feature's activation.
 *
 * Takes one tab stop: arrow keys then move from token to token. Knows nothing of where the text comes from.
 */

import { type CSSProperties, memo, useId, useRef } from "react";

import type { Sequence } from "../apiTypes";
import { useTokenCursor } from "../hooks/useTokenCursor";
import { heat, isStartOfText } from "../lib/tokens";
import { TokenPieces } from "./TokenPieces";
import { TokenTooltip } from "./TokenTooltip";
import { Tooltip } from "./Tooltip";

type Props = {
  sequence: Sequence;
  /** The feature's largest activation anywhere, which gets the full colour. */
  maximum: number;
  breakLines: boolean;
  label: string;
};

export function TokenText({ sequence, maximum, breakLines, label }: Props) {
  const tooltipId = useId();
  const group = useRef<HTMLParagraphElement>(null);
  const last = sequence.tokens.length - 1;
  const { pointed, tabStop, handlers } = useTokenCursor({ group, first: 0, last, initial: sequence.idx });

  return (
    <>
      <p
        ref={group}
        role="group"
        aria-label={label}
        dir="auto"
        className="font-mono text-[0.8125rem] leading-6 break-words whitespace-pre-wrap"
        {...handlers}
      >
        {sequence.tokens.map((token, index) => (
          <Token
            key={index}
            token={token}
            index={index}
            heat={heat(sequence.acts[index] ?? 0, maximum)}
            isPeak={index === sequence.idx}
            isTabStop={index === tabStop}
            breakLines={breakLines}
            describedBy={index === pointed?.index ? tooltipId : undefined}
          />
        ))}
      </p>
      {pointed !== null && (
        <Tooltip id={tooltipId} anchor={pointed.anchor}>
          <TokenTooltip sequence={sequence} index={pointed.index} />
        </Tooltip>
      )}
    </>
  );
}

type TokenProps = {
  token: string;
  index: number;
  heat: number;
  isPeak: boolean;
  isTabStop: boolean;
  breakLines: boolean;
  describedBy: string | undefined;
};

const Token = memo(function Token({
  token,
  index,
  heat: share,
  isPeak,
  isTabStop,
  breakLines,
  describedBy,
}: TokenProps) {
  const start = isStartOfText(token, index);
  return (
    <span
      className={`token${isPeak ? " token-peak" : ""}${start ? " token-mark" : ""}`}
      style={share > 0 ? ({ "--heat": share.toFixed(4) } as CSSProperties) : undefined}
      data-index={index}
      // an element with a direction of its own doesn't decide the direction of the text after it
      dir={start ? "ltr" : undefined}
      aria-describedby={describedBy}
      tabIndex={isTabStop ? 0 : -1}
    >
      {start ? "⟨bos⟩" : <TokenPieces token={token} breakLines={breakLines} />}
    </span>
  );
});
