/** The two sides of a comparison by name: runs, groups of a run, or its random halves. Knows nothing of pages. */

import type { Comparison, Run } from "../apiTypes";
import { formatMoment, runName, visibleName } from "./runTitle";

export type Side = "a" | "b";

const HALVES: Record<string, string> = { "half:0": "one random half", "half:1": "the other half" };
const GROUP = "group:";

/** What a part of a run's rows is called; null: all of them. */
export function partName(part: string | null): string {
  if (part === null) return "all rows";
  return HALVES[part] ?? (part.startsWith(GROUP) ? visibleName(part.slice(GROUP.length)) || "(empty)" : part);
}

export function groupPart(name: string): string {
  return GROUP + name;
}

/** Two names that differ: what tells the sides apart comes first. */
export function sideNames(
  a: { run: Run; part: string | null },
  b: { run: Run; part: string | null },
  now: Date,
): Record<Side, string> {
  const sides = [a, b];
  const isOneRun = a.run.id === b.run.id;
  let names = sides.map(({ run, part }) => {
    if (part === null) return runName(run);
    return isOneRun ? partName(part) : `${partName(part)}, ${runName(run)}`;
  });
  if (names[0] === names[1] && !isOneRun) {
    names = sides.map(({ run }, side) => {
      const at = run.created_at ?? run.started_at;
      return `${names[side] ?? ""}, ${at === null ? run.id : formatMoment(at, now)}`;
    });
    if (names[0] === names[1]) names = sides.map(({ run }) => run.id);
  }
  return { a: names[0] ?? "", b: names[1] ?? "" };
}

/** The sides' names; those of runs that the list doesn't have yet are their ids. */
export function namesOfSides(
  comparison: Pick<Comparison, "a" | "b">,
  runs: readonly Run[],
  parts: { partA: string | null; partB: string | null },
  now: Date,
): Record<Side, string> {
  const [a, b] = [comparison.a.run, comparison.b.run].map((id) => runs.find((run) => run.id === id));
  if (a === undefined || b === undefined) return { a: comparison.a.run, b: comparison.b.run };
  return sideNames({ run: a, part: parts.partA }, { run: b, part: parts.partB }, now);
}
