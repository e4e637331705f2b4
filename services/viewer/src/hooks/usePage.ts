/** What every page does once: its title, its state from the URL, its place on the screen. */

import { useEffect, useMemo } from "react";
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
  useEffect(() => {
    if (!arrivedByHistory) window.scrollTo(0, 0);
    arrivedByHistory = false;
  }, []);
}

let arrivedByHistory = false;
window.addEventListener("popstate", () => {
  arrivedByHistory = true;
});
