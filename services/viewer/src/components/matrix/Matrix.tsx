/**
 * Features (rows) and tokens (columns): a grid whose cells are activations, coloured by their share of the feature's
 * largest. Knows nothing of where the numbers come from: a cell may have a value, or only say that the feature fires.
 *
 * Takes one tab stop: arrow keys move from cell to cell; Enter opens a feature, or selects a token.
 */

import { type KeyboardEvent, type MouseEvent, type SyntheticEvent, useRef, useState } from "react";

import { type MatrixColumn, type MatrixPlace, type MatrixRow, placeAfter } from "../../lib/matrix";
import { MatrixHead } from "./MatrixHead";
import { MatrixLine } from "./MatrixLine";

/** Features that belong together, with a line that says why; the first need none. */
export type MatrixPart = { title: string | null; rows: readonly MatrixRow[] };

type Props = {
  label: string;
  /** The id of the element that says what is shown and what isn't. */
  describedBy: string;
  columns: readonly MatrixColumn[];
  parts: readonly MatrixPart[];
  /** The token that is selected. */
  selected: number | null;
  onSelect: (token: number) => void;
  /** The feature that is pointed at, or has the focus. */
  onPoint: (feature: number | null) => void;
  href: (feature: number) => string;
  labelOf?: ((feature: number) => string | null) | undefined;
};

export function Matrix({ columns, parts, selected, onSelect, onPoint, ...props }: Props) {
  const grid = useRef<HTMLTableElement>(null);
  const hasStrongerThan = parts.some(({ rows }) => rows.some(({ strongerThan }) => strongerThan !== undefined));
  const numColumns = columns.length + (hasStrongerThan ? 4 : 3);
  const [tabStop, setTabStop] = useState<MatrixPlace>({ row: 0, column: -1 });
  const numRows = parts.reduce((sum, { rows }) => sum + rows.length, 0);
  const last = { row: numRows - 1, column: columns.length - 1 };
  const stop = { row: Math.min(tabStop.row, last.row), column: Math.min(tabStop.column, last.column) };

  const onKeyDown = (event: KeyboardEvent) => {
    const place = placeOf(event.target);
    if (place === null) return;
    if ((event.key === "Enter" || event.key === " ") && place.column >= 0) {
      event.preventDefault();
      select(place);
    }
    const next = placeAfter(event.key, place, last);
    if (next === null) return;
    event.preventDefault(); // also keeps the page from going to the next row of the dataset
    setTabStop(next);
    grid.current?.querySelector<HTMLElement>(`[data-place="${next.row} ${next.column}"]`)?.focus();
  };
  const select = ({ column }: MatrixPlace) => {
    const token = columns[column]?.index;
    if (token !== undefined) onSelect(token);
  };
  const onClick = (event: MouseEvent) => {
    const place = placeOf(event.target);
    if (place === null || place.column < 0) return;
    setTabStop(place);
    select(place);
  };
  const point = (event: SyntheticEvent) => {
    const line = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-feature]") : null;
    onPoint(line === null ? null : Number(line.dataset.feature));
  };
  const leave = () => {
    onPoint(null);
  };
  const starts = parts.map((_, part) => parts.slice(0, part).reduce((sum, { rows }) => sum + rows.length, 0));
  return (
    <div className="panel max-h-[calc(100vh-5rem)] w-fit max-w-full overflow-auto overscroll-x-contain">
      <table
        ref={grid}
        role="grid"
        aria-label={props.label}
        aria-describedby={props.describedBy}
        aria-colcount={numColumns}
        className="border-separate border-spacing-0 text-xs tabular-nums"
        onKeyDown={onKeyDown}
        onClick={onClick}
        onMouseOver={point}
        onMouseLeave={leave}
        onFocus={point}
        onBlur={leave}
      >
        <MatrixHead
          columns={columns}
          selected={selected}
          tabStop={stop.row === -1 ? stop.column : null}
          hasStrongerThan={hasStrongerThan}
        />
        {parts.map(({ title, rows }, part) => (
          <tbody key={part}>
            {title !== null && rows.length > 0 && (
              <tr>
                <th
                  scope="rowgroup"
                  colSpan={numColumns}
                  className="border-b border-line bg-sunken px-3 py-1 text-start font-normal text-muted"
                >
                  <span className="sticky start-3">{title}</span>
                </th>
              </tr>
            )}
            {rows.map((row, position) => {
              const number = (starts[part] ?? 0) + position;
              return (
                <MatrixLine
                  key={row.id}
                  row={row}
                  number={number}
                  columns={columns}
                  selected={selected}
                  tabStop={stop.row === number ? stop.column : null}
                  href={props.href(row.id)}
                  label={props.labelOf?.(row.id) ?? null}
                  onSelect={onSelect}
                />
              );
            })}
          </tbody>
        ))}
      </table>
    </div>
  );
}

function placeOf(target: EventTarget): MatrixPlace | null {
  const cell = target instanceof Element ? target.closest<HTMLElement>("[data-place]") : null;
  const [row, column] = (cell?.dataset.place ?? "").split(" ").map(Number);
  return row === undefined || column === undefined ? null : { row, column };
}
