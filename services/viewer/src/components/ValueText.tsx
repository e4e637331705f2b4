/**
 * A text token by token, each token drawn as its owner says. Arrow keys move from token to token; what is said of the one
 * that is pointed at is a tooltip, or up to the owner. Knows nothing of what the tokens' values mean.
 */

import { type CSSProperties, type ReactNode, type SyntheticEvent, useId, useRef } from "react";

import { tokenElement, useTokenCursor } from "../hooks/useTokenCursor";
import { isStartOfText } from "../lib/tokens";
import { TokenPieces } from "./TokenPieces";
import { Tooltip } from "./Tooltip";

export type TokenLook = { className?: string; heat?: number };

type Props = {
  /** What is read out before the text. */
  label: string;
  tokens: readonly string[];
  lookOf: (index: number) => TokenLook;
  /** The token that the Tab key leads to at first, or where other texts lead to. */
  initial?: number;
  /** Whether the text is one of several that share a stop of the Tab key (useTextLines). */
  isGrouped?: boolean;
  tooltip?: (index: number) => ReactNode;
  /** Called with the token that is pointed at. */
  onPoint?: (index: number) => void;
};

export function ValueText({ label, tokens, lookOf, initial = 0, isGrouped = false, tooltip, onPoint }: Props) {
  const id = useId();
  const group = useRef<HTMLDivElement>(null);
  const last = Math.max(0, tokens.length - 1);
  const main = Math.min(initial, last);
  const { pointed, tabStop, handlers } = useTokenCursor({ group, first: 0, last, initial: main });
  const tell = (event: SyntheticEvent) => {
    const token = tokenElement(event.target);
    if (token !== null) onPoint?.(Number(token.dataset.index));
  };
  return (
    <>
      <div
        ref={group}
        role="group"
        aria-label={label}
        dir="auto"
        className="font-mono text-[0.8125rem] leading-6 break-words whitespace-pre-wrap"
        {...handlers}
        onMouseOver={(event) => {
          handlers.onMouseOver(event);
          tell(event);
        }}
        onFocus={(event) => {
          handlers.onFocus(event);
          tell(event);
        }}
      >
        {tokens.map((token, at) => {
          const { className = "", heat } = lookOf(at);
          const start = isStartOfText(token, at);
          return (
            <span
              key={at}
              className={`token ${className}${start ? " token-mark" : ""}`}
              style={heat === undefined ? undefined : ({ "--heat": heat.toFixed(4) } as CSSProperties)}
              data-index={at}
              data-main={at === main || undefined}
              dir={start ? "ltr" : undefined}
              aria-describedby={tooltip !== undefined && at === pointed?.index ? id : undefined}
              tabIndex={!isGrouped && at === Math.min(tabStop, last) ? 0 : -1}
            >
              {start ? "⟨bos⟩" : <TokenPieces token={token} breakLines />}
            </span>
          );
        })}
      </div>
      {tooltip !== undefined && pointed !== null && (
        <Tooltip id={id} anchor={pointed.anchor}>
          {tooltip(pointed.index)}
        </Tooltip>
      )}
    </>
  );
}
