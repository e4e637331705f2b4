/** Points at one of a text's tokens by mouse or keys. Each token is an element with data-index. Knows nothing of texts. */

import { type KeyboardEvent, type RefObject, type SyntheticEvent, useState } from "react";

export type PointedToken = { index: number; anchor: HTMLElement };

type Options = {
  /** The element around the tokens. */
  group: RefObject<HTMLElement | null>;
  /** The first and the last token. */
  first: number;
  last: number;
  /** The token that the Tab key leads to at first. */
  initial: number;
};

/**
 * The token that is pointed at or has the focus, the one tab stop, and the handlers of the element around the tokens.
 *
 * Arrow keys move the focus from token to token; Escape ends the pointing.
 */
export function useTokenCursor({ group, first, last, initial }: Options) {
  const [pointed, setPointed] = useState<PointedToken | null>(null);
  const [tabStop, setTabStop] = useState(initial);

  const point = (event: SyntheticEvent) => {
    const anchor = tokenElement(event.target);
    setPointed(anchor === null ? null : { index: Number(anchor.dataset.index), anchor });
  };
  const leave = () => {
    setPointed(null);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const current = tokenElement(event.target);
    if (event.key === "Escape") leave();
    if (step === undefined || current === null) return;
    event.preventDefault(); // also keeps the page from going to the next feature or row
    const next = Math.min(Math.max(Number(current.dataset.index) + step, first), last);
    setTabStop(next);
    group.current?.querySelector<HTMLElement>(`[data-index="${next}"]`)?.focus();
  };
  const handlers = { onMouseOver: point, onMouseLeave: leave, onFocus: point, onBlur: leave, onKeyDown };
  return { pointed, tabStop, setTabStop, handlers };
}

/** The token that something happened to. */
export function tokenElement(target: EventTarget): HTMLElement | null {
  return target instanceof Element ? target.closest<HTMLElement>("[data-index]") : null;
}
