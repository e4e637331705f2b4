/**
 * A window's text, token by token, coloured by the feature's activation.
 *
 * Takes one tab stop: arrow keys then move from token to token. Knows nothing of where the text comes from.
 */

import { type CSSProperties, type KeyboardEvent, memo, useId, useRef, useState } from "react";

import type { Sequence } from "../apiTypes";
import { heat, isPartialCharacter, isStartOfText, quoteToken, tokenPieces } from "../lib/tokens";
import { Tooltip } from "./Tooltip";

type Props = {
  sequence: Sequence;
  /** The feature's largest activation anywhere, which gets the full colour. */
  maximum: number;
  breakLines: boolean;
  label: string;
};

type Shown = { index: number; anchor: Element };

export function TokenText({ sequence, maximum, breakLines, label }: Props) {
  const tooltipId = useId();
  const [shown, setShown] = useState<Shown | null>(null);
  const [tabStop, setTabStop] = useState(sequence.idx);
  const group = useRef<HTMLParagraphElement>(null);

  const show = (target: EventTarget) => {
    const anchor = tokenElement(target);
    setShown(anchor === null ? null : { index: Number(anchor.dataset.index), anchor });
  };
  const hide = () => {
    setShown(null);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const current = tokenElement(event.target);
    if (event.key === "Escape") hide();
    if (step === undefined || current === null) return;
    event.preventDefault(); // also keeps the page from going to the next feature
    const next = Math.min(Math.max(Number(current.dataset.index) + step, 0), sequence.tokens.length - 1);
    setTabStop(next);
    group.current?.querySelector<HTMLElement>(`[data-index="${next}"]`)?.focus();
  };

  return (
    <>
      <p
        ref={group}
        role="group"
        aria-label={label}
        dir="auto"
        className="font-mono text-[0.8125rem] leading-6 break-words whitespace-pre-wrap"
        onMouseOver={(event) => {
          show(event.target);
        }}
        onMouseLeave={hide}
        onFocus={(event) => {
          show(event.target);
        }}
        onBlur={hide}
        onKeyDown={onKeyDown}
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
            describedBy={index === shown?.index ? tooltipId : undefined}
          />
        ))}
      </p>
      {shown !== null && (
        <Tooltip id={tooltipId} anchor={shown.anchor}>
          <TokenFacts sequence={sequence} index={shown.index} />
        </Tooltip>
      )}
    </>
  );
}

function tokenElement(target: EventTarget): HTMLElement | null {
  return target instanceof Element ? target.closest<HTMLElement>("[data-index]") : null;
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
      className={`token${isPeak ? " token-peak" : ""}${start ? " text-faint" : ""}`}
      style={share > 0 ? ({ "--heat": share.toFixed(4) } as CSSProperties) : undefined}
      data-index={index}
      // an element with a direction of its own doesn't decide the direction of the text after it
      dir={start ? "ltr" : undefined}
      aria-describedby={describedBy}
      tabIndex={isTabStop ? 0 : -1}
    >
      {start
        ? "⟨bos⟩"
        : tokenPieces(token).map((piece, position) =>
            piece.kind === "text" ? (
              piece.text
            ) : (
              <span key={position} className="opacity-55">
                {piece.text}
                {breakLines && piece.text === "⏎" ? "\n" : ""}
              </span>
            ),
          )}
    </span>
  );
});

function TokenFacts({ sequence, index }: { sequence: Sequence; index: number }) {
  const token = sequence.tokens[index] ?? "";
  const start = isStartOfText(token, index);
  return (
    <>
      <div className="font-mono break-all">{quoteToken(token)}</div>
      <dl className="mt-0.5 grid grid-cols-[auto_auto] justify-start gap-x-3 tabular-nums">
        <dt className="opacity-70">activation</dt>
        <dd className="font-semibold" data-testid="exact-activation">
          {String(sequence.acts[index] ?? 0)}
        </dd>
        <dt className="opacity-70">token id</dt>
        <dd>{sequence.token_ints[index]}</dd>
        <dt className="opacity-70">position</dt>
        <dd>
          {index}
          {sequence.offset > 0 && ` (window starts at token ${sequence.offset} of its row)`}
        </dd>
      </dl>
      {start && <div className="mt-0.5 opacity-70">the marker put before every window</div>}
      {isPartialCharacter(token) && <div className="mt-0.5 opacity-70">� stands for part of a character’s bytes</div>}
    </>
  );
}
