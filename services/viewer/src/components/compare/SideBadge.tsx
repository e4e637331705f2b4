/** A side's letter in its colour: neither the colour nor the place alone says which side it is. */

import type { Side } from "../../lib/compareSides";

export const SIDE_TEXT: Record<Side, string> = { a: "text-side-a", b: "text-side-b" };

export function SideBadge({ side }: { side: Side }) {
  return (
    <span
      className={`inline-block min-w-5 rounded border border-current px-1 text-center text-xs leading-4 font-bold ${SIDE_TEXT[side]}`}
    >
      {side.toUpperCase()}
    </span>
  );
}

/** The letter and what the side is; cut at the end of the line. */
export function SideName({ side, name }: { side: Side; name: string }) {
  return (
    <span className="flex min-w-0 items-center gap-1.5">
      <SideBadge side={side} />
      <bdi className={`truncate font-semibold ${SIDE_TEXT[side]}`} title={name}>
        {name}
      </bdi>
    </span>
  );
}
