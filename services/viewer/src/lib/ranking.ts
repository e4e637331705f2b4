/** Finds a feature in a ranking that is read page by page. Knows nothing of where the pages come from. */

export const PAGE_SIZE = 50;

export type RankedFeature = { feature_id: number; value: number };
export type Place = { index: number; previous: number | null; next: number | null };
export type PageReader = (page: number) => Promise<readonly RankedFeature[]>;

/**
 * Where a feature stands in a ranking of `total` features, and its neighbours; null if it isn't in it.
 *
 * Reads about log2(total / PAGE_SIZE) pages. Features with equal values may come in any order, but the same each time.
 */
export async function findPlace(
  featureId: number,
  value: number,
  total: number,
  order: "asc" | "desc",
  readPage: PageReader,
): Promise<Place | null> {
  const pages = Math.ceil(total / PAGE_SIZE);
  const first = await firstPageReaching(value, pages, order, readPage);
  for (let page = first; page < pages; page++) {
    const features = await readPage(page);
    const position = features.findIndex((feature) => feature.feature_id === featureId);
    if (position >= 0) return placeAt(page, position, features, pages, readPage);
    const last = features.at(-1);
    if (last === undefined || comesAfter(last.value, value, order)) return null;
  }
  return null;
}

/** The first page whose last value is `value` or comes after it. */
async function firstPageReaching(
  value: number,
  pages: number,
  order: "asc" | "desc",
  readPage: PageReader,
): Promise<number> {
  let low = 0;
  let high = pages;
  while (low < high) {
    const middle = (low + high) >> 1;
    const last = (await readPage(middle)).at(-1);
    if (last !== undefined && comesAfter(value, last.value, order)) low = middle + 1;
    else high = middle;
  }
  return low;
}

function comesAfter(value: number, other: number, order: "asc" | "desc"): boolean {
  return order === "desc" ? value < other : value > other;
}

async function placeAt(
  page: number,
  position: number,
  features: readonly RankedFeature[],
  pages: number,
  readPage: PageReader,
): Promise<Place> {
  const before = position > 0 ? features[position - 1] : page > 0 ? (await readPage(page - 1)).at(-1) : undefined;
  const after =
    position < features.length - 1
      ? features[position + 1]
      : page < pages - 1
        ? (await readPage(page + 1))[0]
        : undefined;
  return {
    index: page * PAGE_SIZE + position,
    previous: before?.feature_id ?? null,
    next: after?.feature_id ?? null,
  };
}
