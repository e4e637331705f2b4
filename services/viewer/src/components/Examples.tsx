/** A titled list of a feature's texts: a few at first, the rest on demand. */

import { useId } from "react";
import { Link } from "wouter";

import type { Sequence } from "../apiTypes";
import { formatActivation, formatCount } from "../lib/format";
import { promptPath } from "../lib/promptState";
import { rowPosition } from "../lib/tokens";
import { TokenText } from "./TokenText";

const SHOWN_AT_FIRST = 5;

type TextProps = {
  /** The run that the texts belong to. */
  run: string;
  maximum: number;
  breakLines: boolean;
};

type Props = TextProps & {
  title: string;
  note: string;
  sequences: Sequence[];
  all: boolean;
  onAll: (all: boolean) => void;
};

export function Examples({ title, note, sequences, all, onAll, ...text }: Props) {
  const titleId = useId();
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
          <Example key={`${sequence.row_id}-${sequence.offset}-${sequence.idx}`} sequence={sequence} {...text} />
        ))}
      </ol>
      {hidden > 0 && (
        <button
          type="button"
          className="control mt-2"
          aria-expanded={all}
          onClick={() => {
            onAll(!all);
          }}
        >
          {all ? "Show fewer" : `Show ${hidden} more`}
        </button>
      )}
    </section>
  );
}

function Example({ sequence, run, maximum, breakLines }: TextProps & { sequence: Sequence }) {
  const count = sequence.count ?? 1;
  return (
    // clipped, because piled-up combining marks would reach into other texts
    <li className="gap-x-4 overflow-clip px-3 py-1.5 sm:grid sm:grid-cols-[6.25rem_minmax(0,1fr)]">
      <div className="flex flex-wrap items-baseline gap-x-2 text-xs leading-6 text-muted tabular-nums sm:block sm:leading-4 sm:pt-1">
        <span className="text-[0.8125rem] font-semibold text-ink">{formatActivation(sequence.act)}</span>
        {count > 1 && (
          <span className="sm:ml-1.5" title={`This very text occurred ${formatCount(count)} times`}>
            ×{formatCount(count)}
          </span>
        )}
        <div>
          <Link
            href={promptPath(sequence.row_id, run, rowPosition(sequence, sequence.idx))}
            className="text-accent hover:underline"
          >
            row {sequence.row_id}
          </Link>
        </div>
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
