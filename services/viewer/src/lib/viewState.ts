/** What the URL’s query says about the view: which run, ranked how, from which rank. It is kept nowhere else. */

export type Order = "desc" | "asc";
export type ViewState = { run: string | null; metric: string | null; order: Order; offset: number };

/** Read a query string; what is absent or makes no sense gets its default. */
export function readViewState(search: string): ViewState {
  const query = new URLSearchParams(search);
  const offset = Number(query.get("offset"));
  return {
    run: query.get("run"),
    metric: query.get("metric"),
    order: query.get("order") === "asc" ? "asc" : "desc",
    offset: Number.isSafeInteger(offset) && offset > 0 ? offset : 0,
  };
}

function writeQuery(state: ViewState, withOffset: boolean): string {
  const query = new URLSearchParams();
  if (state.metric !== null) query.set("metric", state.metric);
  if (state.order === "asc") query.set("order", "asc");
  if (withOffset && state.offset > 0) query.set("offset", String(state.offset));
  if (state.run !== null) query.set("run", state.run);
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}

/** The address of the ranked list in this state. */
export function featuresPath(state: ViewState): string {
  return `/${writeQuery(state, true)}`;
}

/** The address of a feature's page, ranked as in this state. */
export function featurePath(featureId: number, state: ViewState): string {
  return `/feature/${featureId}${writeQuery(state, false)}`;
}
