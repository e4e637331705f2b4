/** What the URL’s query says about the pages of features: which run, what of it, in which order. It is kept nowhere else. */

import { type Order, type QueryParameters, readCount, readNumber, readOrder, readText, writeQuery } from "./urlQuery";

export type { Order } from "./urlQuery";

/** Which features are listed; what is null, or false, leaves nothing out. */
export type Filters = {
  /** Active tokens of all counted tokens, 0 to 1, ends included. */
  minDensity: number | null;
  maxDensity: number | null;
  /** Active tokens. */
  minCount: number | null;
  /** Part of a token that a listed feature has an example on; spaces count. */
  token: string | null;
  /** The features that never fired instead of those that did. */
  dead: boolean;
  /** Those that somebody gave a label, or a star. */
  labelled: boolean;
  starred: boolean;
};

/** What makes one list of features differ from another. */
export type ListState = {
  run: string | null;
  metric: string | null;
  /** What the list is ordered by, if not by its metric: `feature_id`, `num_active_tokens` or another metric. */
  sort: string | null;
  order: Order;
  filters: Filters;
};

export type ViewState = ListState & {
  /** The metrics that have a column; null: all of them. */
  columns: string[] | null;
  /** The first rank that is in view. */
  offset: number;
  /** On a feature's page: every example instead of the first few, and line breaks drawn as such. */
  allExamples: boolean;
  newlines: boolean;
  /** Which examples are shown, of the band that begins there alone, and whether as whole texts. */
  shown: ExampleKind;
  band: number | null;
  whole: boolean;
};

/** Examples by strength, the strongest, random ones, or where the feature doesn't fire. */
export type ExampleKind = "strength" | "strongest" | "random" | "not-firing";
const EXAMPLE_KINDS: readonly string[] = ["strength", "strongest", "random", "not-firing"];

export const NO_FILTERS: Filters = {
  minDensity: null,
  maxDensity: null,
  minCount: null,
  token: null,
  dead: false,
  labelled: false,
  starred: false,
};

export const DEFAULT_STATE: ViewState = {
  run: null,
  metric: null,
  sort: null,
  order: "desc",
  filters: NO_FILTERS,
  columns: null,
  offset: 0,
  allExamples: false,
  newlines: false,
  shown: "strength",
  band: null,
  whole: false,
};

/** Read a query string; what is absent or makes no sense gets its default. */
export function readViewState(search: string): ViewState {
  const query = new URLSearchParams(search);
  return {
    run: readText(query, "run"),
    metric: readText(query, "metric"),
    sort: readText(query, "sort"),
    order: readOrder(query),
    filters: {
      minDensity: readShare(query, "min_density"),
      maxDensity: readShare(query, "max_density"),
      minCount: readCount(query, "min_count"),
      token: readText(query, "token"),
      dead: query.get("dead") === "1",
      labelled: query.get("labelled") === "1",
      starred: query.get("starred") === "1",
    },
    columns: query.get("columns")?.split(",").filter(Boolean) ?? null,
    offset: readCount(query, "offset") ?? 0,
    allExamples: query.get("examples") === "all",
    newlines: query.get("newlines") === "1",
    shown: readExampleKind(query),
    band: readBand(query),
    whole: query.get("texts") === "whole",
  };
}

function readExampleKind(query: URLSearchParams): ExampleKind {
  const kind = query.get("show") ?? "";
  return EXAMPLE_KINDS.includes(kind) ? (kind as ExampleKind) : "strength";
}

function readBand(query: URLSearchParams): number | null {
  const above = readNumber(query, "band");
  return above !== null && Number.isFinite(above) ? above : null;
}

function readShare(query: URLSearchParams, name: string): number | null {
  const share = readNumber(query, name);
  return share !== null && share >= 0 && share <= 1 ? share : null;
}

/** Whether anything is left out of the list of features that fired, or the others are listed. */
export function isFiltered({ filters }: ListState): boolean {
  return Object.values(filters).some((value) => value !== null && value !== false);
}

/** The address of the list in this state. */
export function featuresPath(state: ViewState): string {
  return `/${stateQuery(state, { offset: state.offset > 0 && state.offset })}`;
}

/** The address of a feature's page, the feature being looked at in the list of this state. */
export function featurePath(featureId: number, state: ViewState): string {
  return `/feature/${featureId}${stateQuery(state, {
    examples: state.allExamples && "all",
    newlines: state.newlines && 1,
    show: state.shown !== "strength" && state.shown,
    band: state.band,
    texts: state.whole && "whole",
  })}`;
}

function stateQuery(state: ViewState, ofThePage: QueryParameters): string {
  const { filters } = state;
  return writeQuery({
    metric: state.metric,
    sort: state.sort,
    order: state.order === "asc" && "asc",
    min_density: filters.minDensity,
    max_density: filters.maxDensity,
    min_count: filters.minCount,
    token: filters.token,
    dead: filters.dead && 1,
    labelled: filters.labelled && 1,
    starred: filters.starred && 1,
    columns: state.columns?.join(",") ?? null,
    ...ofThePage,
    run: state.run,
  });
}
