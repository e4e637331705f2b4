/** Moves the focus along a table's links by keys. Knows nothing of what is in the table. */

import { type KeyboardEvent, useRef } from "react";

import { useShortcuts } from "./useShortcuts";

/** A ref for the body of a table with one link a row, moved through by j and k, and the table's key handler for arrows. */
export function useRowKeys() {
  const body = useRef<HTMLTableSectionElement>(null);
  const moveFocus = (step: number) => {
    const links = Array.from(body.current?.querySelectorAll("a") ?? []);
    const focused = links.findIndex((link) => link === document.activeElement);
    const target = focused < 0 ? 0 : Math.min(Math.max(focused + step, 0), links.length - 1);
    links[target]?.focus();
  };
  useShortcuts({
    j: () => {
      moveFocus(1);
    },
    k: () => {
      moveFocus(-1);
    },
  });
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    event.preventDefault();
    moveFocus(event.key === "ArrowDown" ? 1 : -1);
  };
  return { body, onKeyDown };
}
