/**
 * A text, token by token, some of them marked. One token can be selected.
 *
 * Takes one tab stop: arrow keys move from token to token, Enter selects. Knows nothing of what marks them.
 */

import { type KeyboardEvent, type MouseEvent, type ReactNode, useEffect, useId, useRef, useState } from "react";

import { tokenElement, useTokenCursor } from "../../hooks/useTokenCursor";
import { formatCount } from "../../lib/format";
import { MARKER, type TokenShare } from "../../lib/rowFeatures";
import { Tooltip } from "../Tooltip";
import { TokenBlock } from "./TokenBlock";

const BLOCK_TOKENS = 2000; // also as many as are drawn at first

type Props = {
  /** What is read out before the text. */
  label: string;
  tokens: readonly string[];
  /** The tokens at which windows begin. */
  windows: readonly number[];
  /** Whether the marker before the text is shown. */
  hasMarker: boolean;
  /** The tokens that are marked. */
  shares: ReadonlyMap<number, TokenShare>;
  /** The token that is selected. */
  selected: number | null;
  onSelect: (token: number) => void;
  /** What is said of a token that is pointed at. */
  tooltip: (token: number) => ReactNode;
};

export function RowText({ label, tokens, windows, hasMarker, shares, selected, onSelect, tooltip }: Props) {
  const tooltipId = useId();
  const group = useRef<HTMLDivElement>(null);
  const selectedHere = useRef<number | null>(null); // what was selected in the text itself is in sight already
  const [isAllWanted, setAllWanted] = useState(false);
  const count = tokens.length;
  const isAll = isAllWanted || (selected ?? 0) >= BLOCK_TOKENS;
  const shown = isAll ? count : Math.min(count, BLOCK_TOKENS);
  const first = hasMarker ? MARKER : 0;
  const isThere = selected !== null && selected >= first && selected < shown;
  const { pointed, tabStop, setTabStop, handlers } = useTokenCursor({
    group,
    first,
    last: shown - 1,
    initial: isThere ? selected : first,
  });

  useEffect(() => {
    const isOwn = selected === selectedHere.current;
    selectedHere.current = null;
    if (isThere && !isOwn)
      group.current?.querySelector(`[data-index="${selected}"]`)?.scrollIntoView({ block: "nearest" });
  }, [selected, isThere]);

  const select = (event: MouseEvent | KeyboardEvent) => {
    const token = tokenElement(event.target);
    if (token === null) return;
    const index = Number(token.dataset.index);
    selectedHere.current = index;
    setTabStop(index);
    onSelect(index);
  };
  const within = (token: number | null | undefined, from: number) =>
    token != null && token < from + BLOCK_TOKENS && (token >= from || (token === MARKER && from === 0)) ? token : null;

  return (
    <div>
      <div
        ref={group}
        role="listbox"
        aria-label={label}
        dir="auto"
        className="font-mono text-[0.8125rem] leading-7 break-words whitespace-pre-wrap"
        {...handlers}
        onClick={select}
        onKeyDown={(event) => {
          if (event.key === "Enter" || event.key === " ") {
            event.preventDefault();
            select(event);
          } else handlers.onKeyDown(event);
        }}
      >
        {Array.from({ length: Math.ceil(shown / BLOCK_TOKENS) }, (_, block) => block * BLOCK_TOKENS).map((from) => (
          <TokenBlock
            key={from}
            tokens={tokens}
            from={from === 0 ? first : from}
            to={Math.min(from + BLOCK_TOKENS, shown)}
            windows={windows}
            shares={shares}
            selected={within(selected, from)}
            tabStop={within(tabStop, from)}
            described={within(pointed?.index, from)}
            descriptionId={tooltipId}
          />
        ))}
      </div>
      {shown < count && (
        <button
          type="button"
          className="control mt-2"
          onClick={() => {
            setAllWanted(true);
          }}
        >
          Show all {formatCount(count)} tokens
        </button>
      )}
      {pointed !== null && (
        <Tooltip id={tooltipId} anchor={pointed.anchor}>
          {tooltip(pointed.index)}
        </Tooltip>
      )}
    </div>
  );
}
