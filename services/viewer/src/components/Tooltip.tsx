/** A small box beside an element. Decides where it fits; its owner decides when it is there. */

import { type ReactNode, useLayoutEffect, useRef } from "react";
import { createPortal } from "react-dom";

const GAP = 6;
const MARGIN = 8;

type Props = { id: string; anchor: Element; children: ReactNode };

export function Tooltip({ id, anchor, children }: Props) {
  const box = useRef<HTMLDivElement>(null);

  useLayoutEffect(() => {
    const place = () => {
      if (box.current !== null) placeBeside(box.current, anchor);
    };
    place();
    window.addEventListener("scroll", place, { capture: true, passive: true });
    window.addEventListener("resize", place);
    return () => {
      window.removeEventListener("scroll", place, { capture: true });
      window.removeEventListener("resize", place);
    };
  }, [anchor, children]);

  return createPortal(
    <div
      ref={box}
      id={id}
      role="tooltip"
      className="pointer-events-none fixed top-0 left-0 z-50 max-w-[min(22rem,calc(100vw-16px))] rounded-md bg-ink px-2.5 py-1.5 text-xs text-ground shadow-lg"
    >
      {children}
    </div>,
    anchor.closest("main") ?? document.body, // a landmark, in which assistive technology looks for content
  );
}

/** Above the anchor's first line if there is room, else below it; never past the window's edges. */
function placeBeside(box: HTMLElement, anchor: Element): void {
  const target = anchor.getClientRects()[0] ?? anchor.getBoundingClientRect();
  const { width, height } = box.getBoundingClientRect();
  const above = target.top - height - GAP;
  const left = Math.min(
    Math.max(MARGIN, target.left + target.width / 2 - width / 2),
    window.innerWidth - width - MARGIN,
  );
  box.style.left = `${left}px`;
  box.style.top = `${above >= MARGIN ? above : target.bottom + GAP}px`;
}
