/** Moves the focus along a table's links by keys. Knows nothing of what is in the table. */

import { type KeyboardEvent, useRef } from "react";

import { useMoveKeys } from "./useShortcuts";

/**
 * A ref for what holds the rows, moved through by j and k, and the key handler for arrows.
 *
 * `links` selects each row's link; without it a row has no other.
 */
export function useTableKeyboard<Body extends HTMLElement = HTMLTableSectionElement>(links = "a") {
  const body = useRef<Body>(null);
  const moveFocus = (step: number) => {
    const rows = Array.from(body.current?.querySelectorAll<HTMLElement>(links) ?? []);
    const focused = rows.findIndex((link) => link === document.activeElement);
    const target = focused < 0 ? 0 : Math.min(Math.max(focused + step, 0), rows.length - 1);
    rows[target]?.focus();
  };
  useMoveKeys(moveFocus);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    event.preventDefault();
    moveFocus(event.key === "ArrowDown" ? 1 : -1);
  };
  return { body, onKeyDown };
}
