/** Single-key shortcuts for a page. Knows nothing of what they do. */

import { useEffect, useEffectEvent } from "react";

import type { ShortcutKey } from "../lib/shortcuts";

/**
 * Call the action of a key pressed anywhere on the page, except while someone types, holds a modifier or is in a dialog.
 *
 * Keys are named as in KeyboardEvent.key. What handles a key first and prevents its default keeps it to itself.
 */
export function useShortcuts(actions: Partial<Readonly<Record<ShortcutKey, () => void>>>): void {
  useKeyDown((event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (document.querySelector("dialog[open]") !== null) return;
    const action = Object.hasOwn(actions, event.key) ? actions[event.key as ShortcutKey] : undefined;
    if (action === undefined) return;
    event.preventDefault();
    action();
  });
}

/** Call the action at each key pressed anywhere on the page. */
export function useKeyDown(action: (event: KeyboardEvent) => void): void {
  const onKey = useEffectEvent(action);
  useEffect(() => {
    const listener = (event: KeyboardEvent) => {
      onKey(event);
    };
    window.addEventListener("keydown", listener);
    return () => {
      window.removeEventListener("keydown", listener);
    };
  }, []);
}

/** j and k move by one, down and up. */
export function useMoveKeys(move: (step: 1 | -1) => void): void {
  useShortcuts({
    j: () => {
      move(1);
    },
    k: () => {
      move(-1);
    },
  });
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest("input, select, textarea") !== null;
}
