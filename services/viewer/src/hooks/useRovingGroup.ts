/** One stop of the Tab key for a group of controls; arrows move between them. Knows nothing of what they are. */

import { type FocusEvent, type KeyboardEvent, useLayoutEffect, useRef } from "react";

const CONTROLS = "a[href], button:not(:disabled), select, summary, input:not([type=hidden])";

/**
 * The group's properties: a ref, and handlers. What is in a `[data-not-roving]` keeps its own stops, as the fields of a
 * menu do. Left and right move, also from a select, which up and down change.
 */
export function useRovingGroup<Group extends HTMLElement>() {
  const ref = useRef<Group>(null);
  const last = useRef<HTMLElement | null>(null);

  const controls = () =>
    Array.from(ref.current?.querySelectorAll<HTMLElement>(CONTROLS) ?? []).filter(
      (control) => control.closest("[data-not-roving]") === null,
    );
  // after every drawing, as controls come and go
  useLayoutEffect(() => {
    const all = controls();
    const stop = all.find((control) => control === last.current) ?? all[0];
    for (const control of all) control.tabIndex = control === stop ? 0 : -1;
  });
  const onFocus = (event: FocusEvent) => {
    const all = controls();
    const focused = all.find((control) => control === event.target);
    if (focused === undefined) return;
    last.current = focused;
    for (const control of all) control.tabIndex = control === focused ? 0 : -1;
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.defaultPrevented) return;
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const all = controls();
    const at = all.findIndex((control) => control === event.target);
    if (step === undefined || at < 0) return;
    event.preventDefault();
    all[(at + step + all.length) % all.length]?.focus();
  };
  return { ref, onFocus, onKeyDown };
}
