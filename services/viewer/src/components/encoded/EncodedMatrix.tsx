/** All features that fire at some tokens against those tokens: every activation is known, so an empty cell means none. */

import { useId, useMemo, useState } from "react";

import { encodedRows } from "../../lib/encodedRows";
import { formatCount, formatPlural } from "../../lib/format";
import type { MatrixColumn, MatrixRow } from "../../lib/matrix";
import type { Encoded } from "../../apiTypes";
import { MARKER, type RowOrder } from "../../lib/rowFeatures";
import { DEFAULT_STATE, featurePath } from "../../lib/viewState";
import { Matrix } from "../matrix/Matrix";
import { STRETCH } from "../prompts/Stretches";

const SHOWN = 50; // a token has 32 features or more

type Props = {
  encoded: Encoded;
  label: string;
  run: string | null;
  /** The first token that is shown, counted in the whole text. */
  from: number;
  order: RowOrder;
  selected: number | null;
  onSelect: (token: number) => void;
  onPoint: (row: MatrixRow | null) => void;
  labelOf: (feature: number) => string | null;
};

export function EncodedMatrix({ encoded, label, run, from, order, onPoint, ...props }: Props) {
  const noteId = useId();
  const [wanted, setWanted] = useState(SHOWN);
  const columns = useMemo(() => columnsOf(encoded, from), [encoded, from]);
  const rows = useMemo(() => {
    const shown = new Set(columns.map(({ index }) => index));
    const here = encoded.features.filter(({ at }) => at.some((token) => shown.has(token)));
    return encodedRows(here, order);
  }, [encoded, columns, order]);
  const left = rows.length - wanted;
  if (rows.length === 0) return <p className="panel px-4 py-3 text-muted">No feature fires at these tokens.</p>;
  return (
    <>
      <p id={noteId} className="max-w-[110ch] text-xs text-muted">
        {formatPlural(rows.length, "feature")} fire{rows.length === 1 ? "s" : ""} here; in an empty cell the feature
        doesn’t. Colours are shares of a feature’s own strongest activation in the run; “stronger than” says of how many
        of its activations there.
      </p>
      <Matrix
        label={label}
        describedBy={noteId}
        columns={columns}
        parts={[{ title: null, rows: rows.slice(0, wanted) }]}
        onPoint={(feature) => {
          onPoint(rows.find(({ id }) => id === feature) ?? null);
        }}
        href={(feature) => featurePath(feature, { ...DEFAULT_STATE, run })}
        {...props}
      />
      {left > 0 && (
        <button
          type="button"
          className="control"
          onClick={() => {
            setWanted(wanted + SHOWN);
          }}
        >
          Show {formatCount(Math.min(left, SHOWN))} of {formatPlural(left, "more feature")}
        </button>
      )}
    </>
  );
}

function columnsOf({ tokens, first, windows, features }: Encoded, from: number): MatrixColumn[] {
  const begins = new Set(windows);
  const start = Math.max(0, from - first);
  const columns = tokens.slice(start, start + STRETCH).map((token, position) => {
    const index = first + start + position;
    return { index, token, beginsWindow: index > 0 && begins.has(index) };
  });
  const hasMarker = features.some(({ at }) => at.includes(MARKER));
  return hasMarker ? [{ index: MARKER, token: "", beginsWindow: false }, ...columns] : columns;
}
