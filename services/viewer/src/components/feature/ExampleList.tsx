/** Texts in a list, one line each or whole; measures how much fits on a line. */

import { useWidth } from "../../hooks/useWidth";
import { keyOf, type Occurrence } from "../../lib/examples";
import { ExampleLine } from "../ExampleLine";

export type ListLook = {
  run: string;
  heatOf: (activation: number) => number;
  breakLines: boolean;
  /** Whether texts are shown whole, not as one line around the token. */
  whole: boolean;
};

const CHARACTER_PX = 6.9; // of the fixed-width font
const BESIDE_PX = 186; // activation, row and space beside a line
const NARROW_PX = 560; // below it, the line is under what is beside it

export function ExampleList({ texts, label, whole, ...look }: ListLook & { texts: Occurrence[]; label: string }) {
  const [list, width] = useWidth();
  const isMeasured = whole || width !== null; // else every line would be drawn twice
  const line = width === null ? 0 : width < NARROW_PX ? width - 16 : width - BESIDE_PX;
  return (
    <ol ref={list} aria-label={label} className={whole ? "divide-y divide-line" : "py-0.5"}>
      {(isMeasured ? texts : []).map((text) => (
        <ExampleLine
          key={keyOf(text)}
          text={text}
          room={whole ? null : Math.max(10, Math.floor(line / CHARACTER_PX))}
          {...look}
        />
      ))}
    </ol>
  );
}
