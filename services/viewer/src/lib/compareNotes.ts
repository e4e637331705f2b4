/** What else tells two sides apart than what their texts are about, as sentences. Knows nothing of pages. */

import type { ComparedRun, Comparison } from "../apiTypes";
import { formatCount } from "./format";

const LENGTHS_DIFFER = 1.2; // times as long
const POSITIONS_DIFFER = 0.05; // of the tokens
const BEGINNING = 4; // positions

type Sides = Pick<Comparison, "a" | "b" | "policies_differ">;

/** Why features may differ though the texts are about the same: lengths, positions, contexts. */
export function otherDifferences({ a, b, policies_differ: policies }: Sides): string[] {
  const sentences = [lengths(a, b), positions(a, b)].filter((sentence) => sentence !== null);
  return policies === undefined ? sentences : [...sentences, `Features may differ by this alone: ${policies}.`];
}

function lengths({ tokens_per_text: a }: ComparedRun, { tokens_per_text: b }: ComparedRun): string | null {
  if (a === undefined || b === undefined || Math.min(a.mean, b.mean) <= 0) return null;
  if (Math.max(a.mean, b.mean) < LENGTHS_DIFFER * Math.min(a.mean, b.mean)) return null;
  return (
    `Texts have ${a.mean.toFixed(1)} tokens in A and ${b.mean.toFixed(1)} in B on average: features of beginnings ` +
    `and ends differ for that reason too.`
  );
}

function positions(a: ComparedRun, b: ComparedRun): string | null {
  const [inA, inB] = [shareAtBeginning(a), shareAtBeginning(b)];
  if (inA === null || inB === null || Math.abs(inA - inB) < POSITIONS_DIFFER) return null;
  const percent = (share: number) => `${Math.round(100 * share)} %`;
  return (
    `Of the tokens, ${percent(inA)} in A and ${percent(inB)} in B are among the first ${BEGINNING} of their window, ` +
    `where models behave differently.`
  );
}

function shareAtBeginning({ positions: counted }: ComparedRun): number | null {
  const total = counted?.reduce((sum, { num_tokens: tokens }) => sum + tokens, 0) ?? 0;
  if (counted === undefined || total === 0) return null;
  const beginning = counted.filter(({ last }) => last !== null && last < BEGINNING);
  return beginning.reduce((sum, { num_tokens: tokens }) => sum + tokens, 0) / total;
}

export type Control = { run: string; found: number; tested: number };

/** What chance alone does: the random halves of each run that is compared. */
export function controls({ a, b }: Pick<Comparison, "a" | "b">): Control[] {
  const runs = a.run === b.run ? [a] : [a, b];
  return runs.flatMap(({ run, halves }) =>
    halves === undefined ? [] : [{ run, found: halves.num_found, tested: halves.num_tested }],
  );
}

/** "0 of 1,004" */
export function describeControl({ found, tested }: Control): string {
  return `${formatCount(found)} of ${formatCount(tested)}`;
}
