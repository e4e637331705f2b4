/** Runs by what people know of them: name, dataset, size and time instead of ids. Knows nothing of pages. */

import type { Run } from "../apiTypes";
import { dayOf, timeOf } from "./format";
import { isFinished, runSubject } from "./runStatus";
import { tokenPieces } from "./tokens";

const MOST_CHARACTERS = 44;

type Known = Pick<Run, "id" | "name" | "source" | "options" | "num_prompts" | "created_at" | "started_at" | "status"> &
  Parameters<typeof runSubject>[0];

/** A text on one line in which what would be unseen, or would turn round what is beside it, is drawn by what exists. */
export function visibleText(text: string): string {
  return tokenPieces(text)
    .map((piece) => piece.text)
    .join("");
}

/** The same, and what is too long is cut in the middle. */
export function visibleName(name: string): string {
  const shown = Array.from(visibleText(name));
  if (shown.length <= MOST_CHARACTERS) return shown.join("");
  const half = (MOST_CHARACTERS - 1) / 2;
  return `${shown.slice(0, Math.ceil(half)).join("")}…${shown.slice(-Math.floor(half)).join("")}`;
}

/** The dataset without the folders it is in; one of a hub by its whole name. */
export function datasetName(run: Known): string {
  const { source } = runSubject(run);
  if (/^(hf|kaggle):/.test(source)) return visibleName(source);
  return visibleName(
    source
      .split("/")
      .filter((part) => part !== "")
      .at(-1) ?? source,
  );
}

/** What the run is called: as whoever started it said, else by its dataset. */
export function runName(run: Known): string {
  return run.name == null ? datasetName(run) : visibleName(run.name);
}

/** "headlines-1.csv · 20k rows · today 18:50"; a run's own name comes first. */
export function runTitle(run: Known, now: Date): string {
  const at = run.created_at ?? run.started_at;
  const facts = [
    run.name == null ? null : runName(run),
    datasetName(run),
    run.num_prompts > 0 ? `${formatCompact(run.num_prompts)} rows` : null,
    at === null ? null : formatMoment(at, now),
    isFinished(run) ? null : run.status,
  ];
  return facts.filter((fact) => fact !== null).join(" · ");
}

/** The titles of runs by id; those that would read the same say their ids too. */
export function runTitles(runs: readonly Known[], now: Date): Map<string, string> {
  const titles = runs.map((run) => [run.id, runTitle(run, now)] as const);
  const counts = new Map<string, number>();
  for (const [, title] of titles) counts.set(title, (counts.get(title) ?? 0) + 1);
  return new Map(titles.map(([id, title]) => [id, (counts.get(title) ?? 0) > 1 ? `${title} · ${id}` : title]));
}

/** Three significant digits at most: 950, "4.3k", "20k", "1.4M". */
export function formatCompact(count: number): string {
  const [size, unit] = count >= 999_500 ? [count / 1e6, "M"] : count >= 1000 ? [count / 1000, "k"] : [count, ""];
  return `${size < 10 && unit !== "" ? Number(size.toFixed(1)) : Math.round(size)}${unit}`;
}

/** A moment of the API in the reader's time zone: "today 18:50", "yesterday 09:00", "3 Nov 09:00", "3 Nov 2025". */
export function formatMoment(moment: string, now: Date): string {
  const date = new Date(moment);
  if (Number.isNaN(date.getTime())) return visibleName(moment);
  const yesterday = new Date(now);
  yesterday.setDate(now.getDate() - 1);
  if (date.toDateString() === now.toDateString()) return `today ${timeOf(date)}`;
  if (date.toDateString() === yesterday.toDateString()) return `yesterday ${timeOf(date)}`;
  if (date.getFullYear() === now.getFullYear()) return `${dayOf(date)} ${timeOf(date)}`;
  return `${dayOf(date)} ${date.getFullYear()}`;
}
