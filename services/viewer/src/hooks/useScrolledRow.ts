/** Keeps a list's place in the address: scrolls to the row it names, and names the row that was scrolled to. */

import { useEffect, useEffectEvent, useLayoutEffect, useRef } from "react";

const PAUSE_MS = 200; // some browsers refuse more than a hundred changes of the address in half a minute

type Options = {
  /** Another list begins where its own address says. */
  listKey: string;
  /** The row that the address names. */
  row: number;
  firstVisible: number;
  scrollToRow: (row: number) => void;
  onScrolled: (row: number) => void;
};

/** A function that names the row at once, to be called before the page is left. */
export function useScrolledRow({ listKey, row, firstVisible, scrollToRow, onScrolled }: Options): () => void {
  const place = useRef({ listKey: "", row: -1 });

  useEffect(() => {
    // the browser would scroll before the rows are there
    window.history.scrollRestoration = "manual";
    return () => {
      window.history.scrollRestoration = "auto";
    };
  }, []);

  useLayoutEffect(() => {
    if (place.current.listKey === listKey && place.current.row === row) return;
    place.current = { listKey, row };
    scrollToRow(row);
  }, [listKey, row, scrollToRow]);

  const tell = () => {
    if (place.current.row === firstVisible) return;
    place.current = { listKey, row: firstVisible };
    onScrolled(firstVisible);
  };
  const tellLater = useEffectEvent(tell);
  useEffect(() => {
    const timer = setTimeout(() => {
      tellLater();
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
    };
  }, [firstVisible]);
  return tell;
}
