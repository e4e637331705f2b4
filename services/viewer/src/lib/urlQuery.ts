/** A URL's query, read and written: what is absent, or makes no sense, is null. Knows no page's parameters. */

export type Order = "desc" | "asc";

export function readText(query: URLSearchParams, name: string): string | null {
  return query.get(name) || null;
}

/** A whole number from 1 on. */
export function readCount(query: URLSearchParams, name: string): number | null {
  const count = readNumber(query, name);
  return count !== null && Number.isSafeInteger(count) && count > 0 ? count : null;
}

/** Any number; NaN if it isn't one. */
export function readNumber(query: URLSearchParams, name: string): number | null {
  const text = query.get(name)?.trim();
  return text ? Number(text) : null;
}

export function readOrder(query: URLSearchParams): Order {
  return query.get("order") === "asc" ? "asc" : "desc";
}

export type QueryParameters = Record<string, string | number | null | false>;

/** The query with its question mark; parameters that are null or false are left out, and without any it is "". */
export function writeQuery(parameters: QueryParameters): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null && value !== false) query.set(name, String(value));
  }
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}
