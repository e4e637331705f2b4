/** Which columns the table of features has, and which of them fit. Knows nothing of how cells are drawn. */

import { metricTitle } from "./format";

export type Column = {
  /** Unique in the table; for what the list can be sorted by, its name in the API. */
  name: string;
  kind: "rank" | "feature" | "tokens" | "value" | "histogram" | "count" | "metric";
  /** Pixels; the tokens take what the others leave, but at least this. */
  width: number;
};

const RANK: Column = { name: "rank", kind: "rank", width: 78 };
const FEATURE: Column = { name: "feature_id", kind: "feature", width: 74 };
const TOKENS: Column = { name: "tokens", kind: "tokens", width: 150 };
const HISTOGRAM: Column = { name: "histogram", kind: "histogram", width: 104 };
const COUNT: Column = { name: "num_active_tokens", kind: "count", width: 84 };
const VALUE_WIDTH = 84;
const METRIC_WIDTH = 92;

/** From left to right; a table that is too narrow loses columns from the right, but keeps tokens and value. */
export function columnsThatFit(width: number, metric: string, others: string[]): Column[] {
  const value: Column = { name: metric, kind: "value", width: VALUE_WIDTH };
  let left = width - FEATURE.width - TOKENS.width - value.width;
  const fitting: Column[] = [];
  for (const column of [RANK, HISTOGRAM, COUNT, ...others.map(metricColumn)]) {
    left -= column.width;
    if (left < 0) break;
    fitting.push(column);
  }
  const [rank, ...rest] = fitting;
  return [...(rank === undefined ? [] : [rank]), FEATURE, TOKENS, value, ...rest];
}

function metricColumn(name: string): Column {
  return { name, kind: "metric", width: METRIC_WIDTH };
}

/** The columns as CSS's grid-template-columns. */
export function gridTemplate(columns: Column[]): string {
  return columns.map(({ kind, width }) => (kind === "tokens" ? `minmax(${width}px, 1fr)` : `${width}px`)).join(" ");
}

/** What heads a column, and names what a list can be sorted by. */
export function columnTitle(name: string): string {
  if (name === FEATURE.name) return "Feature";
  return name === COUNT.name ? "Active tokens" : metricTitle(name);
}
