/** How the list of features is asked for: in which order, filtered how, in which blocks. Talks to nobody. */

import type { ListState, Order, ViewState } from "./viewState";

/** Rows that are asked for at once. */
export const BLOCK_SIZE = 100;

/** The parameters of /api/features and /api/feature_rank that say which list is meant; null is left out. */
export type ListQuery = {
  run: string | null;
  metric: string | null;
  sort: string | null;
  order: Order;
  min_density: number | null;
  max_density: number | null;
  min_count: number | null;
  token: string | null;
  dead: true | null;
  labelled: true | null;
  starred: true | null;
};

/** What the API is asked for; features that never fired have no value to be ranked by and come by number. */
export function listQuery({ run, metric, sort, order, filters }: ListState): ListQuery {
  const byNumber = filters.dead && sort === null;
  return {
    run,
    metric,
    sort: byNumber ? "feature_id" : sort,
    order: byNumber ? "asc" : order,
    min_density: filters.minDensity,
    max_density: filters.maxDensity,
    min_count: filters.minCount,
    token: filters.token,
    dead: filters.dead || null,
    labelled: filters.labelled || null,
    starred: filters.starred || null,
  };
}

/** Whether both show the same list, wherever they are in it. */
export function isSameList(one: ListState, other: ListState): boolean {
  return JSON.stringify(listQuery(one)) === JSON.stringify(listQuery(other));
}

/** The offset of the block that has this rank (from 0). */
export function blockOf(rank: number): number {
  return Math.floor(rank / BLOCK_SIZE) * BLOCK_SIZE;
}

/** The offsets of the blocks that have these ranks. */
export function blocksOf(ranks: number[]): number[] {
  return [...new Set(ranks.map(blockOf))];
}

type Shown = { metric: string; sort: string; order: Order; metrics_available: string[] };

/** The state in which the list is sorted by that name, or the other way round if it is already. */
export function sortedBy(state: ViewState, name: string, shown: Shown): ViewState {
  const isOther = !shown.metrics_available.includes(name);
  if (name === shown.sort) {
    return { ...state, sort: name === shown.metric ? null : name, order: opposite(shown.order), offset: 0 };
  }
  if (isOther) return { ...state, sort: name, order: name === "feature_id" ? "asc" : "desc", offset: 0 };
  return { ...state, metric: name, sort: null, order: "desc", offset: 0 };
}

function opposite(order: Order): Order {
  return order === "desc" ? "asc" : "desc";
}
