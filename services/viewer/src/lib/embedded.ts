/** Whether the pages are part of another site's page (`?embed=1`), without what leads elsewhere. */

const PARAMETER = "embed";

/** Decided when the document is loaded, and kept from page to page. */
export const IS_EMBEDDED = new URLSearchParams(window.location.search).get(PARAMETER) === "1";

/** An address without the request to be embedded. */
export function withoutEmbed(address: string): string {
  return changed(address, (query) => {
    query.delete(PARAMETER);
  });
}

/** The address that always shows the same: its run is named, also while that is the newest. */
export function pinned(address: string, run: string | null): string {
  return changed(address, (query) => {
    query.delete(PARAMETER);
    if (run !== null && !query.has("run") && !query.has("a")) query.set("run", run);
  });
}

function changed(address: string, change: (query: URLSearchParams) => void): string {
  const url = new URL(address);
  change(url.searchParams);
  return url.href;
}
