/** Where in its windows a feature fires: bars for its firings, lines for where tokens are at all. */

import type { Positions } from "../../apiTypes";
import { formatRoundShare } from "../../lib/format";
import { describePositions, type PositionBar, positionBars } from "../../lib/positions";
import { Panel } from "./Panel";

const HEIGHT_PX = 40;

export function PositionsPanel({ positions }: { positions: Positions }) {
  const bars = positionBars(positions);
  const remark = describePositions(positions);
  const highest = Math.max(...bars.flatMap(({ share, shareOfTokens }) => [share, shareOfTokens]), 1e-9);
  return (
    <Panel title="Where in the window" note="bars: its firings, lines: all tokens">
      <ol aria-label="Positions" className="flex gap-1 text-[0.6875rem] text-muted">
        {bars.map((bar) => (
          <Bar key={bar.name} bar={bar} highest={highest} />
        ))}
      </ol>
      {remark !== null && <p className="mt-1 text-xs">{remark}</p>}
    </Panel>
  );
}

function Bar({ bar: { name, share, shareOfTokens }, highest }: { bar: PositionBar; highest: number }) {
  const words = `${formatRoundShare(share)} of its firings, ${formatRoundShare(shareOfTokens)} of all tokens`;
  return (
    <li className="min-w-0 flex-1 text-center" title={`position ${name}: ${words}`}>
      <div aria-hidden="true" className="relative border-b border-faint" style={{ height: HEIGHT_PX }}>
        <div
          className="token-bar absolute inset-x-0.5 bottom-0 bg-bar"
          style={{ height: (HEIGHT_PX * share) / highest }}
        />
        <div
          className="absolute inset-x-0 border-t-2 border-ink"
          style={{ bottom: (HEIGHT_PX * shareOfTokens) / highest - 1 }}
        />
      </div>
      {name}
      <span className="sr-only">: {words}</span>
    </li>
  );
}
