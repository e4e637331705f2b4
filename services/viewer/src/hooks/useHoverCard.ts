/**
 * Which of many elements has a card beside it: the one that the mouse rests on, or that the keyboard's focus rests in.
 *
 * It comes after a pause; it stays while the pointer is on it, and goes with Escape, which brings it back only when
 * something else was pointed at (WCAG 1.4.13). A finger gets none. Knows nothing of what is on the card.
 */

import { type FocusEvent, type PointerEvent, useEffect, useRef, useState } from "react";

import { useKeyDown } from "./useShortcuts";

const REST_MS = 500;
const GRACE_MS = 250; // for the way from the element to its card

type Shown = { anchor: HTMLElement; at: number | null };

/** `selector` finds the elements; the handlers are for what is around them, and for the card. */
export function useHoverCard(selector: string) {
  const [shown, setShown] = useState<Shown | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const last = useRef<HTMLElement | null>(null); // what was pointed at last, so that moving within it changes nothing

  const later = (action: () => void, ms: number) => {
    clearTimeout(timer.current);
    timer.current = setTimeout(action, ms);
  };
  const rest = (target: EventTarget, at: number | null) => {
    const anchor = target instanceof Element ? target.closest<HTMLElement>(selector) : null;
    if (anchor === null || anchor === last.current) return;
    last.current = anchor;
    setShown(null);
    later(() => {
      if (anchor.isConnected) setShown({ anchor, at });
    }, REST_MS);
  };
  const leave = () => {
    later(() => {
      last.current = null;
      setShown(null);
    }, GRACE_MS);
  };
  useEffect(
    () => () => {
      clearTimeout(timer.current);
    },
    [],
  );
  useEffect(() => {
    if (shown === null) return undefined;
    const hide = () => {
      setShown(null);
    };
    window.addEventListener("scroll", hide, { passive: true });
    return () => {
      window.removeEventListener("scroll", hide);
    };
  }, [shown]);
  useKeyDown((event) => {
    if (event.key !== "Escape") return;
    clearTimeout(timer.current);
    setShown(null);
  });
  const isMouse = ({ pointerType }: PointerEvent) => pointerType === "mouse";
  return {
    /** The element with a card; null: none has one. */
    shown: shown?.anchor ?? null,
    /** Where the mouse came to it, in pixels from the left; null: it has the focus. */
    at: shown?.at ?? null,
    targetProps: {
      onPointerOver: (event: PointerEvent) => {
        if (isMouse(event)) rest(event.target, event.clientX);
      },
      onPointerLeave: (event: PointerEvent) => {
        if (isMouse(event)) leave();
      },
      onFocus: (event: FocusEvent) => {
        if (event.target.matches(":focus-visible")) rest(event.target, null);
      },
      onBlur: leave,
    },
    cardProps: {
      onPointerEnter: () => {
        clearTimeout(timer.current);
      },
      onPointerLeave: leave,
    },
  };
}
