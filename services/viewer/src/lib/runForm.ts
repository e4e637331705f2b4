/** From what is typed into the form of a new run to what the API takes. The API alone judges the values. */

import type { Option, OptionValue } from "../apiTypes";

/** What was typed, by option; absent or empty means the default. */
export type FormValues = Record<string, string>;

const MAIN_OPTIONS = [
  "source",
  "text_column",
  "max_rows",
  "subject",
  "autoencoder",
  "layer",
  "location",
  "group_by",
  "name",
];

/** Options that name a file, for which the data folder's files are suggested. */
export function isFileOption(name: string): boolean {
  return name === "source" || name === "prompt_file";
}

/** The options that most runs set, and the others, in the API's order. */
export function groupOptions(options: Record<string, Option>): { main: string[]; more: string[] } {
  const names = Object.keys(options);
  return {
    main: MAIN_OPTIONS.filter((name) => names.includes(name)),
    more: names.filter((name) => !MAIN_OPTIONS.includes(name)),
  };
}

/** The body of POST /api/runs: what was filled in, numbers and truth values as such. */
export function requestBody(values: FormValues, options: Record<string, Option>): Record<string, OptionValue> {
  const filled = Object.entries(values)
    .map(([name, text]) => [name, text.trim()] as const)
    .filter(([name, text]) => text !== "" && name in options);
  return Object.fromEntries(filled.map(([name, text]) => [name, typedValue(text, options[name]?.type)]));
}

/** What isn't a number (or too large for one here) is sent as it was typed: the API says what is wrong with it. */
function typedValue(text: string, type: string | undefined): OptionValue {
  if (type === "boolean" && (text === "true" || text === "false")) return text === "true";
  const number = Number(text);
  const isNumber = type === "integer" ? Number.isSafeInteger(number) : type === "number" && Number.isFinite(number);
  return isNumber ? number : text;
}

/** The form's values as its address says them. */
export function readFormValues(search: string): FormValues {
  return Object.fromEntries(new URLSearchParams(search));
}

/** The address of a form that is filled in as a run was: with what differs from the defaults, but for its name. */
export function newRunPath(chosen: Record<string, OptionValue>, options: Record<string, Option>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(chosen)) {
    if (name !== "name" && value !== null && value !== options[name]?.default) query.set(name, String(value));
  }
  const text = query.toString();
  return text === "" ? "/runs/new" : `/runs/new?${text}`;
}
