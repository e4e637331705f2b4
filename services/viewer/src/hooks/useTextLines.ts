/**
 * One stop of the Tab key for texts below each other, each an element with data-line that has tokens (data-index) and a
 * link. Up and down move from text to text, End to the text's link, and so does right at its last token; Home leads back
 * to the token that the text is listed for. Moving within a text is the text's own (useTokenCursor).
 */

import { type FocusEvent, type KeyboardEvent, useCallback, useLayoutEffect, useRef } from "react";

const LINE = "[data-line]";
const TOKEN = "[data-index]";
const MAIN_TOKEN = "[data-index][data-main]";

/** The properties of the element around the texts, whose tokens and links aren't stops by themselves. */
export function useTextLines<Around extends HTMLElement>() {
  const around = useRef<Around>(null);
  const stop = useRef<HTMLElement | null>(null);

  const become = useCallback((next: HTMLElement | null) => {
    if (stop.current !== next) stop.current?.setAttribute("tabindex", "-1");
    next?.setAttribute("tabindex", "0");
    stop.current = next;
  }, []);
  useLayoutEffect(() => {
    const texts = around.current;
    if (texts === null) return undefined;
    const keepOne = () => {
      if (!texts.contains(stop.current)) become(mainOf(texts.querySelector<HTMLElement>(LINE)));
    };
    keepOne();
    const observer = new MutationObserver(keepOne); // texts come and go without this component being drawn
    observer.observe(texts, { childList: true, subtree: true });
    return () => {
      observer.disconnect();
    };
  }, [become]);
  const onFocus = (event: FocusEvent) => {
    if (isPlace(event.target)) become(event.target);
  };
  const onBlur = (event: FocusEvent) => {
    // the token that is listed is drawn as long as its text is, whatever the width
    if (!event.currentTarget.contains(event.relatedTarget)) become(mainOf(lineOf(stop.current)) ?? stop.current);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || !isPlace(event.target)) return;
    const next = placeAfter(event.key, event.target, around.current);
    if (next === undefined) return;
    event.preventDefault(); // also keeps the page from going to the next feature
    next?.focus();
  };
  return { ref: around, onFocus, onBlur, onKeyDown };
}

/** Where a key leads from a token or a link of a text; null: nowhere further; undefined: it isn't a key of these texts. */
function placeAfter(key: string, from: HTMLElement, around: HTMLElement | null): HTMLElement | null | undefined {
  const line = lineOf(from);
  if (line === null) return undefined;
  const isLink = from.matches("a");
  const step = { ArrowDown: 1, ArrowUp: -1 }[key];
  if (step !== undefined) {
    const lines = Array.from(around?.querySelectorAll<HTMLElement>(LINE) ?? []);
    const next = lines[lines.indexOf(line) + step] ?? null;
    return isLink ? linkOf(next) : mainOf(next);
  }
  if (key === "Home") return mainOf(line);
  if (key === "End") return linkOf(line);
  const last = Array.from(line.querySelectorAll<HTMLElement>(TOKEN)).at(-1) ?? null;
  if (key === "ArrowRight" && (isLink || from === last)) return linkOf(line);
  return key === "ArrowLeft" && isLink ? last : undefined;
}

function isPlace(target: EventTarget): target is HTMLElement {
  return target instanceof HTMLElement && target.matches(`${LINE} ${TOKEN}, ${LINE} a[href]`);
}

function lineOf(place: Element | null): HTMLElement | null {
  return place?.closest<HTMLElement>(LINE) ?? null;
}

function mainOf(line: HTMLElement | null): HTMLElement | null {
  return line?.querySelector<HTMLElement>(MAIN_TOKEN) ?? null;
}

function linkOf(line: HTMLElement | null): HTMLElement | null {
  return line?.querySelector<HTMLElement>("a[href]") ?? null;
}
