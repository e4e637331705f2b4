/** Examples by bands of strength, the strongest band first, and then where the same words don't make it fire. */

import type { CSSProperties } from "react";

import type { Band } from "../../lib/bands";
import { strongestFirst } from "../../lib/examples";
import { formatPlural, formatEdge, formatRoundShare } from "../../lib/format";
import type { Sequence } from "../../apiTypes";
import { Later } from "../Later";
import { ExampleList, type ListLook } from "./ExampleList";

type Props = ListLook & {
  bands: Band[];
  examples: Map<number, Sequence[]>;
  /** How many of them are shown at first, by band. */
  lines: number[];
  /** The only band that is shown; undefined: all of them. */
  chosen: Band | undefined;
  onChoose: (band: Band | null) => void;
  all: boolean;
};

export function BandedExamples({ bands, examples, lines, chosen, onChoose, all, ...look }: Props) {
  const [first, ...others] = chosen === undefined ? bands.toReversed() : [chosen];
  const drawn = (band: Band) => {
    const own = examples.get(band.index) ?? [];
    const most = all || chosen !== undefined ? Infinity : (lines[band.index] ?? 0);
    const title = `${formatEdge(band.above)} to ${formatEdge(band.upTo)}`;
    return (
      <section key={band.index} aria-label={`Activations ${title}`}>
        <h2>
          <button
            type="button"
            className="flex w-full items-baseline gap-2 bg-sunken px-3 py-0.5 text-left text-xs"
            aria-pressed={chosen !== undefined}
            title={chosen === undefined ? "Show only these" : "Show all"}
            onClick={() => {
              onChoose(chosen === undefined ? band : null);
            }}
          >
            <Swatch heat={band.heat} />
            <span className="font-semibold tabular-nums">{title}</span>
            <span className="text-muted tabular-nums">
              {formatPlural(band.count, "token")}, {formatRoundShare(band.share)}
            </span>
            {own.length > most && <span className="ml-auto text-muted">{own.length - most} more</span>}
            {chosen !== undefined && <span className="ml-auto text-accent">show all bands</span>}
          </button>
        </h2>
        {own.length === 0 ? (
          <p className="px-3 text-xs text-muted">No example is kept.</p>
        ) : (
          <ExampleList texts={strongestFirst(own, most)} label={`Examples ${title}`} {...look} />
        )}
      </section>
    );
  };
  return (
    <div className="panel divide-y divide-line">
      {first !== undefined && drawn(first)}
      <Later>{others.map(drawn)}</Later>
    </div>
  );
}

export function Swatch({ heat }: { heat: number }) {
  return (
    <span
      aria-hidden="true"
      className="band-swatch inline-block size-2.5 self-center rounded-xs"
      style={{ "--heat": heat.toFixed(4) } as CSSProperties}
    />
  );
}
