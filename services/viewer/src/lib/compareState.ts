/** What the URL says on the pages that compare two runs, and their addresses. It is kept nowhere else. */

import type { Comparison } from "../apiTypes";
import { type Order, readCount, readOrder, readText, writeQuery } from "./urlQuery";

/** Orders that runs of earlier versions have too. */
export type ComparedBy = Exclude<Comparison["sort"], "p" | "log_odds">;

export type CompareState = {
  /** The runs; null: not chosen yet. */
  a: string | null;
  b: string | null;
  sort: ComparedBy;
  order: Order;
  /** Active tokens in both runs together. */
  minCount: number | null;
  /** The first rank that is listed. */
  offset: number;
};

/** What features can be ordered by, and what that is called. */
export const COMPARED_BY: Record<ComparedBy, string> = {
  certain: "difference for sure",
  log_ratio: "log₂ ratio",
  density_a: "density in a",
  density_b: "density in b",
  feature_id: "feature",
};

export const DEFAULT_COMPARE_STATE: CompareState = {
  a: null,
  b: null,
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
    sort: isComparedBy(sort) ? sort : DEFAULT_COMPARE_STATE.sort,
    order: readOrder(query),
    minCount: readCount(query, "min_count"),
    offset: readCount(query, "offset") ?? 0,
  };
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

function stateQuery({ a, b, sort, order, minCount, offset }: CompareState, allExamples = false): string {
  return writeQuery({
    a,
    b,
    sort: sort !== DEFAULT_COMPARE_STATE.sort && sort,
    order: order === "asc" && order,
    min_count: minCount,
    offset: offset > 0 && offset,
    examples: allExamples && "all",
  });
}
