/** The features that never fired, as a grid of their numbers: there is nothing else to say of them. */

import type { KeyboardEvent } from "react";
import { Link } from "wouter";

import type { Ranking } from "../../apiTypes";
import { useHeaderHeight } from "../../hooks/useHeaderHeight";
import { useScrolledRow } from "../../hooks/useScrolledRow";
import { useVirtualRows } from "../../hooks/useVirtualRows";
import { useWidth } from "../../hooks/useWidth";
import { listQuery } from "../../lib/ranking";
import { featurePath, type ViewState } from "../../lib/viewState";
import { useFeatureRows } from "../../queries";

const ROW_HEIGHT = 28;
const CELL_WIDTH = 72;
const WIDTH_BEFORE_MEASURED = 320;

type Props = {
  ranking: Ranking;
  /** The state that the ranking belongs to. */
  state: ViewState;
  onChange: (state: ViewState, how: { replace: boolean }) => void;
};

export function DeadGrid({ ranking, state, onChange }: Props) {
  const [frame, width] = useWidth();
  const covered = useHeaderHeight();
  const perRow = Math.max(1, Math.floor((width ?? WIDTH_BEFORE_MEASURED) / CELL_WIDTH));
  const count = ranking.num_matching;
  const row = Math.floor(state.offset / perRow);
  const grid = useVirtualRows({
    count: Math.ceil(count / perRow),
    rowHeight: ROW_HEIGHT,
    covered,
    initialRow: row,
  });
  const ranksOf = (number: number) =>
    Array.from({ length: Math.min(perRow, count - number * perRow) }, (_, column) => number * perRow + column);
  const { featureAt, error, retry } = useFeatureRows(state, grid.rows.flatMap(ranksOf));
  const tellPlace = useScrolledRow({
    listKey: `${perRow} ${JSON.stringify(listQuery(state))}`,
    row,
    firstVisible: grid.firstVisible,
    scrollToRow: grid.scrollToRow,
    onScrolled: (scrolled) => {
      onChange({ ...state, offset: scrolled * perRow }, { replace: true });
    },
  });
  return (
    <div ref={frame} onClickCapture={tellPlace} onKeyDown={moveSideways}>
      <div className="panel overflow-x-clip tabular-nums">
        <div role="list" aria-label="Features that never fired" className="relative" {...grid.listProps}>
          {grid.rows.map((number) => (
            <div
              key={number}
              role="presentation"
              data-row={number}
              className="absolute inset-x-0 grid h-[28px] items-center"
              style={{ top: number * ROW_HEIGHT, gridTemplateColumns: `repeat(${perRow}, minmax(0, 1fr))` }}
            >
              {ranksOf(number).map((rank) => {
                const id = featureAt(rank)?.feature_id;
                return (
                  <div key={rank} role="listitem" aria-setsize={count} aria-posinset={rank + 1} className="text-center">
                    {id !== undefined && (
                      <Link
                        href={featurePath(id, state)}
                        tabIndex={rank === grid.tabStop * perRow ? 0 : -1}
                        className="text-accent hover:underline"
                      >
                        {id}
                      </Link>
                    )}
                  </div>
                );
              })}
            </div>
          ))}
        </div>
      </div>
      {error !== null && (
        <div role="alert" className="panel mt-2 flex flex-wrap items-center gap-3 px-3 py-2">
          <span className="text-danger">Some features could not be loaded: {error.message}</span>
          <button type="button" className="control" onClick={retry}>
            Try again
          </button>
        </div>
      )}
    </div>
  );
}

/** Left and right go to the number before and after, as far as these are drawn. */
function moveSideways(event: KeyboardEvent<HTMLElement>): void {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (step === undefined || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  const links = Array.from(event.currentTarget.querySelectorAll<HTMLAnchorElement>("a[href]"));
  const next = links[links.findIndex((link) => link === document.activeElement) + step];
  if (next === undefined) return;
  event.preventDefault();
  next.focus();
}
