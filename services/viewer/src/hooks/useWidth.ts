import { useCallback, useState } from "react";

/**
 * A ref for an element, and its width in pixels, without padding, as it changes; null until it was measured.
 *
 * It is measured before anything is painted, so what depends on it may wait for it.
 */
export function useWidth(): [(element: Element | null) => (() => void) | undefined, number | null] {
  const [width, setWidth] = useState<number | null>(null);
  const ref = useCallback((element: Element | null) => {
    if (element === null) return undefined;
    setWidth(innerWidth(element));
    const observer = new ResizeObserver(([entry]) => {
      const now = Math.floor(entry?.contentRect.width ?? 0);
      if (now > 0) setWidth(now); // while it is hidden, it keeps the one it had
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
    };
  }, []);
  return [ref, width];
}

function innerWidth(element: Element): number {
  const style = getComputedStyle(element);
  const around = [style.paddingLeft, style.paddingRight, style.borderLeftWidth, style.borderRightWidth];
  const outside = around.reduce((sum, part) => sum + (parseFloat(part) || 0), 0);
  return Math.floor(element.getBoundingClientRect().width - outside);
}
