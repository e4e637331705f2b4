/** What every page has: colours and the notice, in browsers that keep things and in those that don't. */

import { screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { keyName, SHORTCUTS } from "../src/lib/shortcuts";
import { type FakeApi, startFakeApi } from "./fakeApi";
import { open } from "./open";

let api: FakeApi;

beforeEach(async () => {
  api = await startFakeApi();
});

afterEach(() => {
  api.close();
  vi.restoreAllMocks();
  localStorage.clear();
  delete document.documentElement.dataset["theme"];
});

const theme = () => document.documentElement.dataset["theme"];

test("the switch goes from the system's colours to light, to dark, and back", async () => {
  const user = open(api, "/runs");
  const seen = [theme()];
  for (let step = 0; step < 3; step++) {
    await user.click(screen.getByRole("button", { name: /^Theme/ }));
    seen.push(theme());
  }
  expect(seen).toEqual([undefined, "light", "dark", undefined]);
});

test("a theme that no viewer knows is the system's", () => {
  localStorage.setItem("saescope-theme", "sepia");
  open(api, "/runs");
  expect(screen.getByRole("button", { name: "Theme: the system’s colours" })).toBeTruthy();
});

test("a notice that was dismissed stays away", () => {
  localStorage.setItem("saescope-notice", "seen");
  open(api, "/runs");
  expect(screen.queryByRole("complementary", { name: "Notice" })).toBeNull();
});

test("where the browser keeps nothing, colours and notice work as long as the page is open", async () => {
  const refuse = () => {
    throw new DOMException("storage is forbidden", "SecurityError");
  };
  vi.spyOn(Storage.prototype, "getItem").mockImplementation(refuse);
  vi.spyOn(Storage.prototype, "setItem").mockImplementation(refuse);
  const user = open(api, "/runs");
  await user.click(screen.getByRole("button", { name: "Understood" }));
  expect(screen.queryByRole("complementary", { name: "Notice" })).toBeNull();
  await user.click(screen.getByRole("button", { name: /^Theme/ }));
  expect(theme()).toBe("light");
});

test("the keyboard help lists every key with what it does", () => {
  open(api, "/runs");
  const help = document.querySelector("dialog")?.textContent ?? "";
  for (const { keys, does } of SHORTCUTS.flatMap(({ shortcuts }) => [...shortcuts])) {
    expect(help).toContain(keys.map(keyName).join("") + does);
  }
});
