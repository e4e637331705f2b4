/** Gives every component test a clean page; jsdom has no layout, so a stand-in observer reports one fixed width. */

import { cleanup, configure } from "@testing-library/react";
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

/** Everything is in view at once. */
class AllInView {
  readonly #report: IntersectionObserverCallback;

  constructor(report: IntersectionObserverCallback) {
    this.#report = report;
  }

  observe(): void {
    this.#report([{ isIntersecting: true } as IntersectionObserverEntry], this as unknown as IntersectionObserver);
  }

  disconnect(): void {
    // nothing was really observed
  }
}

/** jsdom reads files by a FileReader alone. */
function arrayBuffer(this: Blob): Promise<ArrayBuffer> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => {
      resolve(reader.result as ArrayBuffer);
    });
    reader.addEventListener("error", () => {
      reject(reader.error ?? new Error("the file can't be read"));
    });
    reader.readAsArrayBuffer(this);
  });
}

Blob.prototype.arrayBuffer = arrayBuffer;
globalThis.IntersectionObserver = AllInView as unknown as typeof IntersectionObserver;
globalThis.ResizeObserver = FixedWidthObserver as unknown as typeof ResizeObserver;
window.scrollTo = () => undefined;
Element.prototype.scrollIntoView = () => undefined;

// what is waited for comes at once, but on a busy machine that takes a while
configure({ asyncUtilTimeout: 5000 });
afterEach(cleanup);
