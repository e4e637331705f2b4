/** What every page does once: its title, its state from the URL, its place on the screen. */

import { useEffect, useLayoutEffect, useMemo } from "react";
import { useSearch } from "wouter";

import { readViewState, type ViewState } from "../lib/viewState";

export function usePageTitle(title: string | null): void {
  useEffect(() => {
    document.title = title === null ? "saescope" : `${title} · saescope`;
  }, [title]);
}

export function useViewState(): ViewState {
  const search = useSearch();
  return useMemo(() => readViewState(search), [search]);
}

/** Start at the top when a page of another kind is opened by a link; going back keeps the browser's own position. */
export function useScrollToTop(): void {
  // before the effects of what is on the page, which may scroll to a part of it
  useLayoutEffect(() => {
    if (!arrivedByHistory) window.scrollTo(0, 0);
  }, []);
}

let arrivedByHistory = false;
window.addEventListener("popstate", () => {
  arrivedByHistory = true;
});
// wouter's name for a link that was followed
window.addEventListener("pushState", () => {
  arrivedByHistory = false;
});
