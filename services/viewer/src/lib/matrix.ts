/** What a matrix of features and tokens consists of, and how one moves in it. Knows nothing of where the data come from. */

import type { TokenChip } from "../apiTypes";

/** A feature at a token; without a value it fires, and how strongly isn't known. */
export type MatrixCell = { value: number | null; share: number | null };

/** A feature. */
export type MatrixRow = {
  id: number;
  /** The tokens it mostly fires on. */
  tokens: readonly TokenChip[];
  /** The share of the dataset's tokens at which it fires. */
  density: number;
  /** Its largest activation here as a share of its largest anywhere; null: not known. */
  share: number | null;
  /** The token of its largest activation here; null: not known. */
  peak: number | null;
  /** The share of its activations in the run that its largest here exceeds; undefined: not looked at, null: not known. */
  strongerThan?: number | null;
  /** By token. */
  cells: ReadonlyMap<number, MatrixCell>;
};

/** A token. */
export type MatrixColumn = { index: number; token: string; beginsWindow: boolean };

/** A place in the matrix: row -1 has the tokens, column -1 the features. */
export type MatrixPlace = { row: number; column: number };

const STEPS: Record<string, (place: MatrixPlace, last: MatrixPlace) => MatrixPlace> = {
  ArrowUp: ({ row, column }) => ({ row: row - 1, column }),
  ArrowDown: ({ row, column }) => ({ row: row + 1, column }),
  ArrowLeft: ({ row, column }) => ({ row, column: column - 1 }),
  ArrowRight: ({ row, column }) => ({ row, column: column + 1 }),
  Home: ({ row }) => ({ row, column: -1 }),
  End: ({ row }, last) => ({ row, column: last.column }),
  PageUp: ({ row, column }) => ({ row: row - 10, column }),
  PageDown: ({ row, column }) => ({ row: row + 10, column }),
};

/** Where a key leads from a place; `last` is the last row and column. Null for another key. */
export function placeAfter(key: string, place: MatrixPlace, last: MatrixPlace): MatrixPlace | null {
  const step = STEPS[key];
  if (step === undefined) return null;
  const { row, column } = step(place, last);
  const inside = { row: clamp(row, -1, last.row), column: clamp(column, -1, last.column) };
  // nothing is in the corner
  return inside.row === -1 && inside.column === -1 ? { ...inside, [place.row === -1 ? "column" : "row"]: 0 } : inside;
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}

/** An activation in a narrow cell: two or three digits. */
export function formatCell(value: number): string {
  if (value < 0.095) return value.toFixed(2);
  return value < 99.95 ? value.toFixed(1) : String(Math.round(value));
}

/** The stretch of at most `size` tokens, from a multiple of it on, that has a token. */
export function stretchStart(token: number | null, size: number): number {
  return token === null || token < 0 ? 0 : Math.floor(token / size) * size;
}
