/** What the URL says on the pages of rows, and their addresses. It is kept nowhere else. */

import { readCount, readText, writeQuery } from "./urlQuery";

export type PromptsState = {
  run: string | null;
  /** What the listed rows' texts contain. */
  text: string | null;
  /** The first row that is listed, or looked at for the text. */
  from: number;
};

/** Read the list's query; what is absent or makes no sense gets its default. */
export function readPromptsState(search: string): PromptsState {
  const query = new URLSearchParams(search);
  return { run: readText(query, "run"), text: readText(query, "text"), from: readCount(query, "from") ?? 0 };
}

/** The address of a list of rows. */
export function promptsPath({ run, text, from }: PromptsState): string {
  return `/prompts${writeQuery({ text, from: from > 0 && from, run })}`;
}

/** The token that is selected on a row's page, counted in the row; -1 is the marker before the text. */
export function readSelectedToken(search: string): number | null {
  const text = new URLSearchParams(search).get("token") ?? "";
  return /^(-1|\d{1,9})$/.test(text) ? Number(text) : null;
}

/** The address of a row's page; `token` is the one that is selected. */
export function promptPath(rowId: number, run: string | null, token: number | null = null): string {
  return `/prompts/${rowId}${writeQuery({ run, token })}`;
}
