/** The shape of a feature's histogram, in a table's row. */

import { memo } from "react";

import { sparkline } from "../../lib/sparkline";

const WIDTH = 88;
const HEIGHT = 20;
const MOST_BARS = 44;

export const Sparkline = memo(function Sparkline({ hist }: { hist: Record<string, number> }) {
  const bars = sparkline(hist, MOST_BARS);
  const width = WIDTH / Math.max(bars.length, 8); // a few bins don't become a block
  const path = bars.map((height, position) => {
    const left = (position * width).toFixed(2);
    return height === 0 ? "" : `M${left} ${HEIGHT}v${(-height * HEIGHT).toFixed(2)}h${width.toFixed(2)}V${HEIGHT}z`;
  });
  return (
    <svg
      width={WIDTH}
      height={HEIGHT}
      className="overflow-visible fill-bar"
      shapeRendering="crispEdges"
      aria-hidden="true"
      data-testid="sparkline"
    >
      <path d={path.join("")} />
    </svg>
  );
});
