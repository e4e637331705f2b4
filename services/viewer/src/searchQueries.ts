/** What the header's search asks the API, once typing pauses; what was asked for another text is given up. */

import { useQuery } from "@tanstack/react-query";

import { fetchPrompts, fetchRanking } from "./api";
import { useDelayed } from "./hooks/useDelayed";
import { listQuery } from "./lib/ranking";
import { FEATURES_SHOWN, ROWS_SHOWN } from "./lib/search";
import { DEFAULT_STATE, NO_FILTERS } from "./lib/viewState";

const PAUSE_MS = 200;

const EVERY_ROW = { column: null, value: null, contains: null, from: 0 };

/** Features that fire on tokens with the text, and rows that have it; asks nothing for a blank text. */
export function useSearchAnswers(text: string, run: string | null) {
  const settled = useDelayed(text, PAUSE_MS);
  const isAsked = settled === text && text.trim() !== "";
  const features = useQuery({
    queryKey: ["search-features", run, text],
    queryFn: ({ signal }) => {
      const list = { ...DEFAULT_STATE, run, filters: { ...NO_FILTERS, token: text } };
      return fetchRanking({ ...listQuery(list), offset: 0, limit: FEATURES_SHOWN, details: true }, signal);
    },
    enabled: isAsked,
  });
  const rows = useQuery({
    queryKey: ["search-rows", run, text.trim()],
    queryFn: ({ signal }) => fetchPrompts({ ...EVERY_ROW, run, text: text.trim(), limit: ROWS_SHOWN }, signal),
    enabled: isAsked,
  });
  return {
    features: features.data,
    rows: rows.data,
    isWaiting: text.trim() !== "" && (!isAsked || features.isFetching || rows.isFetching),
    error: features.error ?? rows.error,
  };
}
