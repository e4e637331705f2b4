/** Numbers and names as people read them. Knows nothing of the API's payloads. */

/** An integer with thousands separated: 12345 is "12,345". */
export function formatCount(count: number): string {
  // by hand, as the browser's own formatters of numbers and dates take 20 ms to load on every page
  return String(count).replace(/\B(?<!\.\d*)(?=(?:\d{3})+(?!\d))/g, ",");
}

/** A count with its noun: "1 row", "2,000 rows". */
export function formatPlural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** Four significant digits, so that figures of a column compare; exponents only outside 0.0001 … 99,999. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 1e-4 || size >= 1e5) return value.toExponential(2).replace("e+", "e");
  if (size >= 1000) return formatCount(Math.round(value));
  return value.toPrecision(4);
}

/** An activation with three decimals, as it is shown beside every text. */
export function formatActivation(value: number): string {
  return value.toFixed(3);
}

/** An activation as short as it can be compared, "3.64"; the exact one is in a token's tooltip. */
export function formatStrength(value: number): string {
  if (value === 0) return "0";
  return value < 0.01 ? "<0.01" : value.toFixed(value < 99.95 ? 2 : 1);
}

/** An edge of a range of activations, with no zeros at its end: "0.8", "3.64". */
export function formatEdge(value: number): string {
  return String(Number(value.toFixed(2)));
}

/** A signed number with a true minus: "+0.60", "−0.85". */
export function formatSigned(value: number): string {
  const size = Math.abs(value).toFixed(2);
  return value < 0 ? `−${size}` : `+${size}`;
}

/** All but a share as a percentage that never rounds to everything: "98.4 %", "99.997 %". */
export function formatRest(share: number): string {
  const percent = 100 * (1 - share);
  for (const digits of [1, 2, 3, 4]) {
    const text = percent.toFixed(digits);
    if (share === 0 || Number(text) < 100) return `${text} %`;
  }
  return "nearly 100 %";
}

/** The share of others that something exceeds, which is all of them only if it is: "99.7 %", "99.997 %", "100 %". */
export function formatExceeded(share: number): string {
  return share === 1 ? "100 %" : formatRest(1 - share);
}

/** A share to read in passing: "58 %", "4 %", "<1 %". */
export function formatRoundShare(share: number): string {
  if (share > 0 && share < 0.01) return "<1 %";
  return share > 0.99 && share < 1 ? ">99 %" : `${Math.round(share * 100)} %`;
}

/** A share as a person says it, as one in so many: "63", "3.4". */
export function formatOneIn(share: number): string {
  const one = 1 / share;
  return one < 10 ? String(Number(one.toFixed(1))) : formatCount(Math.round(one));
}

/** A share as a percentage that never rounds something to nothing: "12.3 %", "0.0042 %". */
export function formatShare(share: number): string {
  if (share === 0) return "0 %";
  const percent = share * 100;
  if (percent >= 0.1) return `${percent.toFixed(percent >= 10 ? 1 : 2)} %`;
  return percent >= 1e-4 ? `${percent.toPrecision(2)} %` : `${percent.toExponential(1)} %`;
}

/** The metrics that are shares of something, and are shown as percentages. */
const SHARES = new Set(["fraction_active"]);

/** A metric's value in its unit: shares as percentages, whatever else as a number. */
export function formatMetric(name: string, value: number): string {
  return SHARES.has(name) && Number.isFinite(value) ? formatShare(value) : formatNumber(value);
}

/** A metric's name as a title: "mean_when_active" is "Mean when active". */
export function metricTitle(name: string): string {
  if (name === "fraction_active") return "Density";
  const words = name.replaceAll("_", " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** The last two parts of a path or address, enough to tell autoencoders apart: "…/autoencoders/6.pt". */
export function shortPath(path: string): string {
  const parts = path.split("/").filter((part) => part !== "");
  return parts.length <= 2 ? path : `…/${parts.slice(-2).join("/")}`;
}

/** A duration in its two largest units: "45 s", "3 min", "2 h 10 min", "3 d 4 h". */
export function formatDuration(seconds: number): string {
  const minutes = Math.round(seconds / 60);
  if (seconds < 59.5) return `${Math.max(0, Math.round(seconds))} s`;
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return joinUnits(hours, "h", minutes % 60, "min");
  return joinUnits(Math.floor(hours / 24), "d", hours % 24, "h");
}

function joinUnits(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}

/** Tokens per second, as far as the digits mean something: "0.4", "950", "12,300". */
export function formatRate(perSecond: number): string {
  if (perSecond < 10) return perSecond.toFixed(1);
  const rounded = Number(perSecond.toPrecision(3));
  return rounded < 100 ? String(rounded) : formatCount(rounded);
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** A date's day in the reader's time zone: "23 Nov". */
export function dayOf(date: Date): string {
  return `${date.getDate()} ${MONTHS[date.getMonth()] ?? ""}`;
}

/** A date's time in the reader's time zone: "09:05". */
export function timeOf(date: Date): string {
  return [date.getHours(), date.getMinutes()].map((part) => String(part).padStart(2, "0")).join(":");
}

/** A moment of the API (ISO 8601) in the reader's time zone: "23 Nov 2026, 10:15". */
export function formatDate(moment: string): string {
  const date = new Date(moment);
  return Number.isNaN(date.getTime()) ? moment : `${dayOf(date)} ${date.getFullYear()}, ${timeOf(date)}`;
}

/** A size in bytes: "950 bytes", "4.3 kB", "19 MB". */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return formatPlural(bytes, "byte");
  const units = ["kB", "MB", "GB", "TB"];
  const power = Math.min(units.length, Math.floor(Math.log10(bytes) / 3));
  const size = bytes / 1000 ** power;
  return `${size < 10 ? size.toFixed(1) : formatCount(Math.round(size))} ${units[power - 1] ?? ""}`;
}
