/** A feature's line of a matrix: what it is about, its cells, how strong it is here and how often it fires at all. */

import { type CSSProperties, memo } from "react";
import { Link } from "wouter";

import { formatActivation, formatCount, formatExceeded, formatShare } from "../../lib/format";
import { formatCell, type MatrixCell, type MatrixColumn, type MatrixRow } from "../../lib/matrix";
import { tokenNumber } from "../../lib/rowFeatures";
import { heat } from "../../lib/tokens";
import { TokenChips } from "../TokenChips";
import { WINDOW_BORDER } from "./MatrixHead";

type Props = {
  row: MatrixRow;
  number: number;
  columns: readonly MatrixColumn[];
  selected: number | null;
  /** The column that is the tab stop, -1 for the feature itself; null: it is in another line. */
  tabStop: number | null;
  href: string;
  label: string | null;
  onSelect: (token: number) => void;
};

const CHIPS = 3;

export const MatrixLine = memo(function MatrixLine({ row, number, columns, selected, tabStop, ...props }: Props) {
  const isElsewhere = row.peak !== null && !columns.some(({ index }) => index === row.peak);
  return (
    <tr data-feature={row.id} className="group">
      <th
        scope="row"
        className="sticky start-0 z-[5] w-64 max-w-32 border-e border-b border-line bg-panel px-3 py-0.5 text-start font-normal group-hover:bg-sunken sm:max-w-64 sm:min-w-56"
      >
        <span className="flex min-w-0 items-baseline gap-2">
          <Link
            href={props.href}
            data-place={`${number} -1`}
            tabIndex={tabStop === -1 ? 0 : -1}
            aria-label={props.label === null ? `Feature ${row.id}` : `Feature ${row.id}: ${props.label}`}
            className="shrink-0 text-accent hover:underline"
          >
            {row.id}
          </Link>
          {props.label === null ? (
            <TokenChips tokens={row.tokens.slice(0, CHIPS)} />
          ) : (
            <bdi className="truncate">{props.label}</bdi>
          )}
        </span>
      </th>
      {columns.map(({ index, beginsWindow }, column) => (
        <Cell
          key={index}
          cell={row.cells.get(index)}
          place={`${number} ${column}`}
          beginsWindow={beginsWindow}
          isSelected={index === selected}
          isTabStop={column === tabStop}
        />
      ))}
      <td className="border-s border-b border-line px-3 text-end whitespace-nowrap text-muted">
        {isElsewhere && row.peak !== null && (
          <button
            type="button"
            tabIndex={-1}
            className="me-2 text-accent hover:underline"
            onClick={() => {
              if (row.peak !== null) props.onSelect(row.peak);
            }}
          >
            at token {formatCount(tokenNumber(row.peak))} →
          </button>
        )}
        {row.share === null ? <span title="not kept">–</span> : `${Math.round(row.share * 100)} %`}
      </td>
      {row.strongerThan !== undefined && (
        <td
          className="border-b border-line px-3 text-end whitespace-nowrap text-muted"
          title="of its activations in the run"
        >
          {row.strongerThan === null ? "–" : formatExceeded(row.strongerThan)}
        </td>
      )}
      <td className="border-b border-line px-3 text-end whitespace-nowrap text-muted">{formatShare(row.density)}</td>
    </tr>
  );
});

type CellProps = {
  cell: MatrixCell | undefined;
  place: string;
  beginsWindow: boolean;
  isSelected: boolean;
  isTabStop: boolean;
};

const Cell = memo(function Cell({ cell, place, beginsWindow, isSelected, isTabStop }: CellProps) {
  const classes = [
    "min-w-8 cursor-pointer border-b border-line text-center",
    beginsWindow && WINDOW_BORDER,
    cell === undefined ? isSelected && "bg-sunken" : "token",
    isSelected && cell !== undefined && "token-peak",
  ];
  return (
    <td
      role="gridcell"
      className={classes.filter(Boolean).join(" ")}
      style={cell?.share == null ? undefined : ({ "--heat": heat(cell.share, 1).toFixed(4) } as CSSProperties)}
      data-place={place}
      tabIndex={isTabStop ? 0 : -1}
      aria-label={cell === undefined ? undefined : describe(cell)}
      title={cell?.value == null ? undefined : formatActivation(cell.value)}
    >
      {cell !== undefined && (cell.value === null ? <span className="text-muted">●</span> : formatCell(cell.value))}
    </td>
  );
});

/** For those who don't see the colour; it begins with what is drawn. */
function describe({ value, share }: MatrixCell): string {
  if (value === null) return "fires; how strongly isn’t kept";
  return share === null ? formatCell(value) : `${formatCell(value)}, ${Math.round(share * 100)} % of its strongest`;
}
