import { type ReactNode, useDeferredValue, useEffect } from "react";

const page = { isPainted: false };

/**
 * What stands further down the first page: it is drawn once what is read first has been painted.
 *
 * Later pages are drawn whole, so that going back finds them as long as they were.
 */
export function Later({ children }: { children: ReactNode }) {
  const isShown = useDeferredValue(true, page.isPainted);
  useEffect(() => {
    if (isShown) page.isPainted = true;
  }, [isShown]);
  return isShown && children;
}
