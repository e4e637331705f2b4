/** The features of a row against its tokens: what the run's files hold of them, and a sentence about what they don't. */

import { useId, useMemo, useState } from "react";

import type { PromptInfo } from "../../apiTypes";
import { formatPlural } from "../../lib/format";
import type { MatrixColumn, MatrixRow } from "../../lib/matrix";
import {
  firingsByToken,
  firingValues,
  MARKER,
  otherRows,
  type RowOrder,
  strongestRows,
  tokensByFeature,
} from "../../lib/rowFeatures";
import { DEFAULT_STATE, featurePath } from "../../lib/viewState";
import { useRowFirings } from "../../rowAndCompareQueries";
import { Matrix } from "../matrix/Matrix";
import { MatrixNote } from "./MatrixNote";
import { STRETCH } from "./Stretches";

const MORE = 40;

type Props = {
  row: PromptInfo;
  run: string | null;
  /** The first token that is shown. */
  from: number;
  order: RowOrder;
  selected: number | null;
  onSelect: (token: number) => void;
  onPoint: (row: MatrixRow | null) => void;
  labelOf?: ((feature: number) => string | null) | undefined;
};

export function RowMatrix({ row, run, from, order, selected, onSelect, onPoint, labelOf }: Props) {
  const noteId = useId();
  const [wanted, setWanted] = useState(0);
  const sort = order === "rarest" ? "rarest" : "first";
  const query = { run, from, tokens: STRETCH, sort, limit: wanted } as const;
  const firings = useRowFirings(row.row_id, query, row.keeps_firings).data;
  const firedAt = useMemo(() => firings && tokensByFeature(firingsByToken(firings)), [firings]);
  const values = useMemo(() => firings && firingValues(firings), [firings]);
  const strongest = useMemo(
    () => strongestRows(row.features, order, firedAt ?? null, values),
    [row.features, order, firedAt, values],
  );
  const others = useMemo(
    () => (firings && firedAt ? otherRows(firings.features, firedAt, values) : []),
    [firings, firedAt, values],
  );
  const hasMarker = row.features.some(({ token }) => token === MARKER) || (firings?.marker.length ?? 0) > 0;
  const columns = useMemo(() => columnsOf(row, from, hasMarker), [row, from, hasMarker]);
  const rows = [...strongest, ...others];
  const left = (firings?.num_features ?? 0) - others.length;
  const isLong = row.tokens.length > STRETCH;
  if (strongest.length === 0 && (firings?.num_features ?? 0) === 0)
    return <p className="panel px-4 py-3 text-muted">No feature fired in this row.</p>;
  return (
    <>
      <MatrixNote id={noteId} row={row} firings={firings} isLong={isLong} />
      <Matrix
        label={`Features and tokens of row ${row.row_id}`}
        describedBy={noteId}
        columns={columns}
        parts={[
          { title: null, rows: strongest },
          { title: firings?.values === undefined ? `${OTHERS}: ${NO_VALUES}` : OTHERS, rows: others },
        ]}
        selected={selected}
        onSelect={onSelect}
        onPoint={(feature) => {
          onPoint(rows.find(({ id }) => id === feature) ?? null);
        }}
        href={(feature) => featurePath(feature, { ...DEFAULT_STATE, run })}
        labelOf={labelOf}
      />
      {left > 0 && (
        <button
          type="button"
          className="control"
          onClick={() => {
            setWanted(others.length + MORE);
          }}
        >
          Show {left > MORE ? `${MORE} of ` : ""}
          {formatPlural(left, "more feature")} that fire{left === 1 ? "s" : ""} here
        </button>
      )}
    </>
  );
}

const OTHERS = "fire here too, without being among the row’s ten strongest";
const NO_VALUES = "where is known, how strongly isn’t kept";

function columnsOf(row: PromptInfo, from: number, hasMarker: boolean): MatrixColumn[] {
  const begins = new Set(row.windows);
  const tokens = row.tokens.slice(from, from + STRETCH).map((token, position) => ({
    index: from + position,
    token,
    beginsWindow: from + position > 0 && begins.has(from + position),
  }));
  return hasMarker ? [{ index: MARKER, token: "", beginsWindow: false }, ...tokens] : tokens;
}
