import { useEffect, useState } from "react";

/** How many pixels the page's header covers while the page is scrolled; 0 where it scrolls away. */
export function useHeaderHeight(): number {
  const [height, setHeight] = useState(measure);
  useEffect(() => {
    const header = document.querySelector("header");
    if (header === null) return undefined;
    const observer = new ResizeObserver(() => {
      setHeight(measure());
    });
    observer.observe(header);
    return () => {
      observer.disconnect();
    };
  }, []);
  return height;
}

function measure(): number {
  const header = document.querySelector("header");
  if (header === null || getComputedStyle(header).position !== "sticky") return 0;
  return Math.floor(header.getBoundingClientRect().height);
}
