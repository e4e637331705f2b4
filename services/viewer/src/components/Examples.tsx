/** A titled list of a feature's texts: a few at first, the rest on demand. */

import { useId, useState } from "react";

import type { Sequence } from "../apiTypes";
import { formatActivation, formatCount } from "../lib/format";
import { TokenText } from "./TokenText";

const SHOWN_AT_FIRST = 5;

type Props = { title: string; note: string; sequences: Sequence[]; maximum: number; breakLines: boolean };

export function Examples({ title, note, sequences, maximum, breakLines }: Props) {
  const titleId = useId();
  const [all, setAll] = useState(false);
  const shown = all ? sequences : sequences.slice(0, SHOWN_AT_FIRST);
  const hidden = sequences.length - SHOWN_AT_FIRST;
  return (
    <section aria-labelledby={titleId} className="min-w-0">
      <div className="mb-1.5 flex flex-wrap items-baseline gap-x-3">
        <h2 id={titleId} className="font-semibold">
          {title}
        </h2>
        <span className="text-xs text-muted">{note}</span>
      </div>
      <ol className="panel divide-y divide-line">
        {shown.map((sequence) => (
          <Example
            key={`${sequence.row_id}-${sequence.offset}-${sequence.idx}`}
            sequence={sequence}
            maximum={maximum}
            breakLines={breakLines}
          />
        ))}
      </ol>
      {hidden > 0 && (
        <button
          type="button"
          className="control mt-2"
          aria-expanded={all}
          onClick={() => {
            setAll(!all);
          }}
        >
          {all ? "Show fewer" : `Show ${hidden} more`}
        </button>
      )}
    </section>
  );
}

function Example({
  sequence,
  maximum,
  breakLines,
}: Omit<Props, "title" | "note" | "sequences"> & { sequence: Sequence }) {
  const count = sequence.count ?? 1;
  return (
    <li className="gap-x-4 px-3 py-1.5 sm:grid sm:grid-cols-[6.25rem_minmax(0,1fr)]">
      <div className="flex flex-wrap items-baseline gap-x-2 text-xs leading-6 text-muted tabular-nums sm:block sm:leading-4 sm:pt-1">
        <span className="text-[0.8125rem] font-semibold text-ink">{formatActivation(sequence.act)}</span>
        {count > 1 && (
          <span className="sm:ml-1.5" title={`This very text occurred ${formatCount(count)} times`}>
            ×{formatCount(count)}
          </span>
        )}
        <div>row {sequence.row_id}</div>
        {sequence.offset > 0 && <div>from token {sequence.offset}</div>}
      </div>
      <TokenText
        sequence={sequence}
        maximum={maximum}
        breakLines={breakLines}
        label={`Text of row ${sequence.row_id}, activation ${formatActivation(sequence.act)}`}
      />
    </li>
  );
}
