/**
 * A row's text, token by token; those that features fired on are marked, or those of the feature that is pointed at. One
 * token can be selected.
 *
 * Takes one tab stop: arrow keys move from token to token, Enter selects. Knows nothing of where the row comes from.
 */

import { type KeyboardEvent, type MouseEvent, useEffect, useId, useMemo, useRef, useState } from "react";

import type { PromptInfo, RowFeature } from "../../apiTypes";
import { tokenElement, useTokenCursor } from "../../hooks/useTokenCursor";
import { formatCount } from "../../lib/format";
import type { MatrixRow } from "../../lib/matrix";
import { MARKER, shareOf } from "../../lib/rowFeatures";
import { Tooltip } from "../Tooltip";
import { TokenBlock, type TokenShare } from "./TokenBlock";
import { FiredFeaturesTooltip } from "./FiredFeaturesTooltip";

const BLOCK_TOKENS = 2000; // also as many as are drawn at first

type Props = {
  row: PromptInfo;
  firedOn: ReadonlyMap<number, RowFeature[]>;
  /** The token that is selected. */
  selected: number | null;
  /** The feature that something beside the text points at. */
  pointedAt: MatrixRow | null;
  onSelect: (token: number) => void;
};

export function RowText({ row, firedOn, selected, pointedAt, onSelect }: Props) {
  const tooltipId = useId();
  const group = useRef<HTMLDivElement>(null);
  const selectedHere = useRef<number | null>(null); // what was selected in the text itself is in sight already
  const [isAllWanted, setAllWanted] = useState(false);
  const count = row.tokens.length;
  const isAll = isAllWanted || (selected ?? 0) >= BLOCK_TOKENS;
  const shown = isAll ? count : Math.min(count, BLOCK_TOKENS);
  const first = firedOn.has(MARKER) ? MARKER : 0;
  const shares = useMemo(() => (pointedAt === null ? sharesOf(firedOn) : sharesOfOne(pointedAt)), [firedOn, pointedAt]);
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
        aria-label={`Tokens of row ${row.row_id}`}
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
            tokens={row.tokens}
            from={from === 0 ? first : from}
            to={Math.min(from + BLOCK_TOKENS, shown)}
            windows={row.windows}
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
          <FiredFeaturesTooltip row={row} index={pointed.index} features={firedOn.get(pointed.index) ?? []} />
        </Tooltip>
      )}
    </div>
  );
}

/** Each token's largest share of a feature's strongest. */
function sharesOf(firedOn: ReadonlyMap<number, RowFeature[]>): ReadonlyMap<number, TokenShare> {
  return new Map(
    [...firedOn].map(([token, features]) => [
      token,
      { share: Math.max(...features.map((feature) => shareOf(feature))), isPointed: false },
    ]),
  );
}

function sharesOfOne({ cells }: MatrixRow): ReadonlyMap<number, TokenShare> {
  return new Map([...cells].map(([token, { share }]) => [token, { share: share ?? 0, isPointed: true }]));
}
