/** Gives every component test a clean page; jsdom has no layout, so a stand-in observer reports one fixed width. */

import { cleanup } from "@testing-library/react";
import { afterEach } from "vitest";

class FixedWidthObserver {
  readonly #report: ResizeObserverCallback;

  constructor(report: ResizeObserverCallback) {
    this.#report = report;
  }

  observe(): void {
    this.#report([{ contentRect: { width: 600 } } as ResizeObserverEntry], this as unknown as ResizeObserver);
  }

  disconnect(): void {
    // nothing was really observed
  }
}

globalThis.ResizeObserver = FixedWidthObserver as unknown as typeof ResizeObserver;
window.scrollTo = () => undefined;

afterEach(cleanup);
