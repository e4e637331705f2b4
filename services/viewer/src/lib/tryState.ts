/** What the URL says on the page for one's own text, and its address. It is kept nowhere else. */

import type { RowOrder } from "./rowFeatures";
import { readText, writeQuery } from "./urlQuery";

export type TryState = {
  run: string | null;
  text: string | null;
  order: RowOrder;
  /** The token that is selected; -1 is the marker before the text. */
  token: number | null;
};

export const MOST_CHARACTERS = 20_000; // as in the API
const MOST_IN_ADDRESS = 6000; // servers and proxies refuse longer addresses

export function readTryState(search: string): TryState {
  const query = new URLSearchParams(search);
  const sort = query.get("sort");
  const token = query.get("token") ?? "";
  return {
    run: readText(query, "run"),
    text: readText(query, "text"),
    order: sort === "first" || sort === "rarest" ? sort : "strongest",
    token: /^(-1|\d{1,9})$/.test(token) ? Number(token) : null,
  };
}

export function tryPath({ run = null, text = null, order = "strongest", token = null }: Partial<TryState>): string {
  return `/try${writeQuery({ text, sort: order !== "strongest" && order, token, run })}`;
}

/** Whether a text can be part of an address. */
export function fitsAddress(text: string): boolean {
  return encodeURIComponent(text).length <= MOST_IN_ADDRESS;
}
