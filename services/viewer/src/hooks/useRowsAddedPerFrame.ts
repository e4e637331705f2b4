import { useEffect, useReducer, useState } from "react";

/**
 * Those of the rows in view that are drawn whole: of new ones only so many more in each frame.
 *
 * A jump brings a screenful at once. Laying out all of it in one frame would stop the scrolling for as long.
 */
export function useRowsAddedPerFrame(rows: number[], perFrame: number): ReadonlySet<number> {
  // not the set itself: that a row has been drawn is no reason to draw anything again
  const [drawn] = useState(() => new Drawn());
  const [, drawMore] = useReducer((times: number) => times + 1, 0);
  const isNew = rows.filter((row) => !drawn.has(row));
  const later = new Set(isNew.slice(perFrame));
  const whole = new Set(rows.filter((row) => !later.has(row)));

  useEffect(() => {
    drawn.become(whole);
    if (later.size === 0) return undefined;
    const request = requestAnimationFrame(drawMore);
    return () => {
      cancelAnimationFrame(request);
    };
  });

  return whole;
}

class Drawn {
  #rows: ReadonlySet<number> = new Set();

  has(row: number): boolean {
    return this.#rows.has(row);
  }

  become(rows: ReadonlySet<number>): void {
    this.#rows = rows;
  }
}
