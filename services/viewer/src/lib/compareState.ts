/** What the URL says on the pages that compare two runs, and their addresses. It is kept nowhere else. */

import type { Comparison } from "../apiTypes";
import { type Order, readCount, readOrder, readText, writeQuery } from "./urlQuery";

export type ComparedBy = Exclude<Comparison["sort"], "p">;

/** Which features are listed: all, those that differ, those that fire on one side only. */
export type Shown = "all" | "differ" | "only_a" | "only_b";

export type CompareState = {
  /** The runs; null: not chosen yet. */
  a: string | null;
  b: string | null;
  /** Which of their rows: `half:0`, `half:1`, `group:NAME`; null: all. */
  partA: string | null;
  partB: string | null;
  show: Shown;
  sort: ComparedBy;
  order: Order;
  /** Active tokens in both runs together. */
  minCount: number | null;
  /** The first rank that is listed. */
  offset: number;
};

const SHOWN: readonly Shown[] = ["all", "differ", "only_a", "only_b"];

/** What features can be ordered by, and what that is called. */
export const COMPARED_BY: Record<ComparedBy, string> = {
  certain: "size of the difference, at least",
  log_odds: "evidence for a difference",
  log_ratio: "ratio, B to A",
  density_a: "density in A",
  density_b: "density in B",
  feature_id: "number",
};

export const DEFAULT_COMPARE_STATE: CompareState = {
  a: null,
  b: null,
  partA: null,
  partB: null,
  show: "all",
  sort: "certain",
  order: "desc",
  minCount: null,
  offset: 0,
};

/** Read the query; what is absent or makes no sense gets its default. */
export function readCompareState(search: string): CompareState {
  const query = new URLSearchParams(search);
  const sort = query.get("sort") ?? "";
  return {
    a: readText(query, "a"),
    b: readText(query, "b"),
    partA: readPart(query, "part_a"),
    partB: readPart(query, "part_b"),
    show: SHOWN.find((show) => show === query.get("show")) ?? DEFAULT_COMPARE_STATE.show,
    sort: isComparedBy(sort) ? sort : DEFAULT_COMPARE_STATE.sort,
    order: readOrder(query),
    minCount: readCount(query, "min_count"),
    offset: readCount(query, "offset") ?? 0,
  };
}

function readPart(query: URLSearchParams, name: string): string | null {
  const part = readText(query, name);
  return part === "all" ? null : part;
}

/** Two groups of a run, or its random halves. */
export function partsPath(run: string, partA: string, partB: string): string {
  return comparePath({ ...DEFAULT_COMPARE_STATE, a: run, b: run, partA, partB });
}

export function isComparedBy(name: string): name is ComparedBy {
  return Object.hasOwn(COMPARED_BY, name);
}

/** The address of the list of features. */
export function comparePath(state: CompareState): string {
  return `/compare${stateQuery(state)}`;
}

/** The address of one feature in both runs; the list's own state goes with it, so that the way back leads to the same. */
export function comparedFeaturePath(featureId: number, state: CompareState, allExamples = false): string {
  return `/compare/${featureId}${stateQuery(state, allExamples)}`;
}

function stateQuery(state: CompareState, allExamples = false): string {
  const { a, b, partA, partB, show, sort, order, minCount, offset } = state;
  return writeQuery({
    a,
    b,
    part_a: partA,
    part_b: partB,
    show: show !== DEFAULT_COMPARE_STATE.show && show,
    sort: sort !== DEFAULT_COMPARE_STATE.sort && sort,
    order: order === "asc" && order,
    min_count: minCount,
    offset: offset > 0 && offset,
    examples: allExamples && "all",
  });
}
