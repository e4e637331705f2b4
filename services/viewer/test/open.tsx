/** Opens the viewer at an address of the fake API, as a browser would. */

import { render } from "@testing-library/react";
import userEvent from "@testing-library/user-event";

import { App } from "../src/App";
import type { FakeApi } from "./fakeApi";

// vitest offers the environment itself under this name
declare const jsdom: { reconfigure(settings: { url: string }): void };

/** Show the page; the answer is the person in front of it. */
export function open(api: FakeApi, path: string) {
  jsdom.reconfigure({ url: api.origin + path });
  document.querySelector("base")?.remove();
  const base = document.createElement("base");
  base.href = "/"; // as in index.html, where the server puts where the viewer begins
  document.head.append(base);
  render(<App />);
  return userEvent.setup();
}

export const address = () => window.location.pathname + window.location.search;
