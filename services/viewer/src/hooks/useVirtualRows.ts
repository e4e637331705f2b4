/**
 * A long list of rows of one height in the page's own scrolling, of which only those in view exist.
 *
 * Each row has one link, and the list one tab stop; keys move the focus also to rows that don't exist yet, and the row
 * with the focus exists wherever the page is scrolled. Knows nothing of what is in the rows.
 */

import { defaultRangeExtractor, type Range, useWindowVirtualizer } from "@tanstack/react-virtual";
import { type FocusEvent, type KeyboardEvent, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";

import { useMoveKeys } from "./useShortcuts";

const OVERSCAN = 3;

type Options = {
  count: number;
  rowHeight: number;
  /** Pixels at the top of the window that are covered while the list is scrolled. */
  covered: number;
  /** The row that is at the top at first. */
  initialRow: number;
};

export function useVirtualRows({ count, rowHeight, covered, initialRow }: Options) {
  const list = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [lastFocused, setFocused] = useState<number | null>(null);
  const focused = lastFocused !== null && lastFocused < count ? lastFocused : null;

  useEffect(() => {
    // whatever moves the list down or up also changes the height of the page
    const observer = new ResizeObserver(() => {
      if (list.current !== null) setTop(topOf(list.current));
    });
    observer.observe(document.body);
    return () => {
      observer.disconnect();
    };
  }, []);

  const rangeExtractor = useCallback((range: Range) => withRow(defaultRangeExtractor(range), focused), [focused]);
  const virtualizer = useWindowVirtualizer({
    count,
    estimateSize: () => rowHeight,
    overscan: OVERSCAN,
    scrollMargin: top,
    initialOffset: initialRow === 0 ? 0 : initialRow * rowHeight - covered,
    rangeExtractor,
  });
  const scrolled = virtualizer.scrollOffset ?? 0;
  const last = Math.max(0, count - 1);
  const firstVisible = scrolled === 0 ? 0 : clamp(Math.ceil((scrolled + covered - top) / rowHeight - 0.1), 0, last);

  useLayoutEffect(() => {
    if (focused === null) return;
    list.current?.querySelector<HTMLElement>(`[data-row="${focused}"] a`)?.focus({ preventScroll: true });
  }, [focused]);

  /** Bring a row to the top of the view; the first one to where the page begins. */
  const scrollToRow = useCallback(
    (row: number) => {
      if (list.current === null) return;
      window.scrollTo(0, row === 0 ? 0 : topOf(list.current) + row * rowHeight - covered);
    },
    [rowHeight, covered],
  );

  const focusRow = (row: number) => {
    if (count === 0 || list.current === null) return;
    const target = clamp(row, 0, last);
    setFocused(target);
    const start = topOf(list.current) + target * rowHeight;
    const lowest = start + rowHeight - window.innerHeight;
    if (start - covered < window.scrollY) window.scrollTo(0, start - covered);
    else if (lowest > window.scrollY) window.scrollTo(0, lowest);
  };
  const moveFocus = (step: number) => {
    focusRow(focused === null ? firstVisible : focused + step);
  };
  useMoveKeys(moveFocus);

  const onKeyDown = (event: KeyboardEvent) => {
    const page = Math.max(1, Math.floor((window.innerHeight - covered) / rowHeight) - 1);
    const current = focused ?? firstVisible;
    const targets: Record<string, number> = {
      ArrowDown: current + 1,
      ArrowUp: current - 1,
      PageDown: current + page,
      PageUp: current - page,
      Home: 0,
      End: last,
    };
    const target = targets[event.key];
    if (target === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    focusRow(target);
  };
  const onFocus = (event: FocusEvent) => {
    const row = event.target.closest<HTMLElement>("[data-row]");
    if (row !== null) setFocused(Number(row.dataset.row));
  };
  const onBlur = (event: FocusEvent) => {
    // a window in the background takes the focus away only for a while
    if (document.activeElement !== event.target) setFocused(null);
  };

  const rows = virtualizer.getVirtualItems().map(({ index }) => index);
  return {
    /** What the list's element gets. */
    listProps: { ref: list, onKeyDown, onFocus, onBlur, style: { height: count * rowHeight } },
    /** The rows to draw, each in an element with data-row, absolutely placed at row * rowHeight. */
    rows,
    /** The row whose link can be reached by Tab. */
    tabStop: focused ?? firstVisible,
    firstVisible,
    scrollToRow,
  };
}

function topOf(element: HTMLElement): number {
  return Math.round(element.getBoundingClientRect().top + window.scrollY);
}

/** The rows in view, and one more. */
function withRow(rows: number[], row: number | null): number[] {
  if (row === null || rows.includes(row)) return rows;
  return row < (rows[0] ?? 0) ? [row, ...rows] : [...rows, row];
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}
