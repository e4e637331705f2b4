/** What is typed into the filters' fields: read, or refused with a sentence. Knows nothing of pages. */

/** What a text means, or what is wrong with it. */
export type Parsed<Value> = { value: Value } | { problem: string };

const NUMBER = /^(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const DIGITS = 12; // 0.07 % is 0.0007, not 0.0007000000000000001

/** A share (0 to 1) from a percentage; nothing typed is null. */
export function parsePercent(text: string): Parsed<number | null> {
  const typed = text.trim();
  if (typed === "") return { value: null };
  const percent = NUMBER.test(typed) ? Number(typed) : NaN;
  if (percent >= 0 && percent <= 100) return { value: Number((percent / 100).toPrecision(DIGITS)) };
  return { problem: "Type a percentage from 0 to 100, such as 0.5." };
}

/** A share as the percentage that is read back as the same. */
export function percentText(share: number | null): string {
  return share === null ? "" : String(Number((share * 100).toPrecision(DIGITS)));
}

/** The lower end of a range whose other end is `most`. */
export function parseLowest(text: string, most: number | null): Parsed<number | null> {
  const parsed = parsePercent(text);
  if ("problem" in parsed || parsed.value === null || most === null || parsed.value <= most) return parsed;
  return { problem: `The density can’t be over ${percentText(parsed.value)} % and under ${percentText(most)} %.` };
}

/** The upper end of a range whose other end is `least`. */
export function parseHighest(text: string, least: number | null): Parsed<number | null> {
  const parsed = parsePercent(text);
  if ("problem" in parsed || parsed.value === null || least === null || parsed.value >= least) return parsed;
  return { problem: `The density can’t be over ${percentText(least)} % and under ${percentText(parsed.value)} %.` };
}

/** A number of tokens; nothing typed, and 0, is null, as every listed feature has more. */
export function parseCount(text: string): Parsed<number | null> {
  const typed = text.trim();
  if (typed === "") return { value: null };
  const count = /^\d+$/.test(typed) ? Number(typed) : NaN;
  return Number.isSafeInteger(count) ? { value: count || null } : { problem: "Type a whole number, such as 100." };
}

/** Part of a token, in which spaces count; nothing typed is null. */
export function parseToken(text: string): Parsed<string | null> {
  return { value: text === "" ? null : text };
}
