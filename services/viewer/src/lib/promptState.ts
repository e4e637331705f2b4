/** What the URL says on the pages of rows, and their addresses. It is kept nowhere else. */

import type { Run } from "../apiTypes";
import type { RowOrder } from "./rowFeatures";
import { readCount, readText, writeQuery } from "./urlQuery";

export type PromptsState = {
  run: string | null;
  /** What the listed rows' texts contain. */
  text: string | null;
  /** A column of the dataset, and what the listed rows have in it: this value, or one that contains this. */
  column: string | null;
  value: string | null;
  contains: string | null;
  /** The first row that is listed, or looked at for the text. */
  from: number;
};

export const ALL_ROWS: PromptsState = { run: null, text: null, column: null, value: null, contains: null, from: 0 };

/** Read the list's query; what is absent or makes no sense gets its default. */
export function readPromptsState(search: string): PromptsState {
  const query = new URLSearchParams(search);
  const column = readText(query, "column");
  const value = column === null ? null : readText(query, "value");
  const contains = column === null || value !== null ? null : readText(query, "contains");
  return {
    run: readText(query, "run"),
    text: readText(query, "text"),
    column: value === null && contains === null ? null : column,
    value,
    contains,
    from: readCount(query, "from") ?? 0,
  };
}

/** The address of a list of rows; what isn't said is as in ALL_ROWS. */
export function promptsPath(state: Partial<PromptsState>): string {
  const { run, text, column, value, contains, from } = { ...ALL_ROWS, ...state };
  return `/prompts${writeQuery({ text, column, value, contains, from: from > 0 && from, run })}`;
}

/** Which rows are meant, without where the list begins. */
export function wantedRows({ run, text, column, value, contains }: PromptsState) {
  return { run, text, column, value, contains };
}

/** Whether only some rows are meant. */
export function isFiltered({ text, column }: PromptsState): boolean {
  return text !== null || column !== null;
}

/** The dataset's columns that a run keeps, and the one that the address names. */
export function columnsOf(run: Pick<Run, "options"> | undefined, { column }: PromptsState): string[] {
  const { keep_columns: kept, group_by: group } = run?.options ?? {};
  const names = [...(typeof kept === "string" ? kept.split(",") : []), typeof group === "string" ? group : ""];
  return [...new Set([...names.map((name) => name.trim()), column ?? ""])].filter((name) => name !== "");
}

/** The token that is selected on a row's page, counted in the row as the API does; -1 is the marker before the text. */
export function readSelectedToken(search: string): number | null {
  const text = new URLSearchParams(search).get("token") ?? "";
  return /^(-1|\d{1,9})$/.test(text) ? Number(text) : null;
}

/** The order of a row's features. */
export function readRowOrder(search: string): RowOrder {
  const text = new URLSearchParams(search).get("sort");
  return text === "strongest" || text === "rarest" ? text : "first";
}

/** The address of a row's page; `token` is the one that is selected. */
export function promptPath(
  rowId: number,
  run: string | null,
  token: number | null = null,
  order: RowOrder = "first",
): string {
  return `/prompts/${rowId}${writeQuery({ sort: order !== "first" && order, run, token })}`;
}
