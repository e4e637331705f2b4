/** A titled list of a feature's texts: a few at first, the rest on demand. */

import { useId } from "react";

import type { Sequence } from "../apiTypes";
import { useTextLines } from "../hooks/useTextLines";
import { keyOf } from "../lib/examples";
import { heat } from "../lib/tokens";
import { ExampleLine } from "./ExampleLine";

const SHOWN_AT_FIRST = 5;

type Props = {
  /** The run that the texts belong to. */
  run: string;
  maximum: number;
  breakLines: boolean;
  title: string;
  note: string;
  sequences: Sequence[];
  all: boolean;
  onAll: (all: boolean) => void;
};

export function Examples({ title, note, sequences, all, onAll, run, maximum, breakLines }: Props) {
  const titleId = useId();
  const lines = useTextLines<HTMLOListElement>();
  const shown = all ? sequences : sequences.slice(0, SHOWN_AT_FIRST);
  const hidden = sequences.length - SHOWN_AT_FIRST;
  const look = { run, breakLines, room: null, heatOf: (activation: number) => heat(activation, maximum) };
  return (
    <section aria-labelledby={titleId} className="min-w-0">
      <div className="mb-1.5 flex flex-wrap items-baseline gap-x-3">
        <h2 id={titleId} className="font-semibold">
          {title}
        </h2>
        <span className="text-xs text-muted">{note}</span>
      </div>
      <ol {...lines} className="panel divide-y divide-line">
        {shown.map((sequence) => (
          <ExampleLine key={keyOf(sequence)} text={sequence} {...look} />
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
