/** A stretch of a row's tokens: plain text until it comes near the view, so that a long row is quickly there. */

import { type CSSProperties, memo, useRef } from "react";

import { useIsNearViewport } from "../../hooks/useIsNearViewport";
import { MARKER, type TokenShare } from "../../lib/rowFeatures";
import { heat, nameOfUnseen } from "../../lib/tokens";
import { TokenPieces } from "../TokenPieces";

type BlockProps = {
  /** The whole row's. */
  tokens: readonly string[];
  /** The stretch: from `from`, which may be the marker before the text, to before `to`. */
  from: number;
  to: number;
  windows: readonly number[];
  /** Of the tokens that are marked. */
  shares: ReadonlyMap<number, TokenShare>;
  /** Tokens of this stretch; null: none of them. */
  selected: number | null;
  tabStop: number | null;
  described: number | null;
  descriptionId: string;
};

export const TokenBlock = memo(function TokenBlock({ tokens, from, to, windows, shares, ...props }: BlockProps) {
  const frame = useRef<HTMLSpanElement>(null);
  const isNear = useIsNearViewport(frame);
  const isPlain = !isNear && from > 0 && props.selected === null && props.tabStop === null;
  if (isPlain) {
    return (
      <span ref={frame} className="block">
        <TokenPieces token={tokens.slice(from, to).join("")} />
      </span>
    );
  }
  const begins = new Set(windows);
  return (
    <span className="block">
      {Array.from({ length: to - from }, (_, position) => from + position).map((index) => (
        <Token
          key={index}
          token={tokens[index] ?? ""}
          index={index}
          beginsWindow={index > 0 && begins.has(index)}
          heat={heat(shares.get(index)?.share ?? 0, 1)}
          isPointed={shares.get(index)?.isPointed === true}
          isSelected={index === props.selected}
          isTabStop={index === props.tabStop}
          describedBy={index === props.described ? props.descriptionId : undefined}
        />
      ))}
    </span>
  );
});

type TokenProps = {
  token: string;
  index: number;
  beginsWindow: boolean;
  /** 0: not known. */
  heat: number;
  isPointed: boolean;
  isSelected: boolean;
  isTabStop: boolean;
  describedBy: string | undefined;
};

const Token = memo(function Token({ token, index, heat: share, ...is }: TokenProps) {
  const classes = [
    "token cursor-pointer scroll-my-40 max-lg:scroll-mb-52",
    share > 0 && "underline decoration-bar decoration-2 underline-offset-4",
    is.beginsWindow && "border-s-2 border-accent ps-0.5",
    is.isSelected && "token-peak",
    is.isPointed && "outline-2 outline-accent",
    index === MARKER && "token-mark",
  ];
  return (
    <span
      role="option"
      aria-selected={is.isSelected}
      aria-label={index === MARKER ? undefined : nameOfUnseen(token)}
      className={classes.filter(Boolean).join(" ")}
      style={share > 0 ? ({ "--heat": share.toFixed(4) } as CSSProperties) : undefined}
      data-index={index}
      data-fired={share > 0 || undefined}
      // an element with a direction of its own doesn't decide the direction of the text after it
      dir={index === MARKER ? "ltr" : undefined}
      aria-describedby={is.describedBy}
      tabIndex={is.isTabStop ? 0 : -1}
    >
      {index === MARKER ? "⟨bos⟩" : <TokenPieces token={token} />}
    </span>
  );
});
