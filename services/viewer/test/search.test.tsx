/** The header's search, over a real HTTP server. */

import { screen, within } from "@testing-library/react";
import { afterEach, beforeEach, expect, test } from "vitest";

import { type FakeApi, startFakeApi } from "./fakeApi";
import { labelOf } from "./fakeLabels";
import { address, open } from "./open";

let api: FakeApi;

beforeEach(async () => {
  api = await startFakeApi();
  api.labels = [labelOf(7, { label: "upgrades of brokers" }), labelOf(3, { label: "dates" })];
});

afterEach(() => {
  api.close();
});

const field = () => screen.getByRole("combobox", { name: "Search" });
const group = (name: string) => screen.findByRole("group", { name });

async function search(text: string, path = "/") {
  const user = open(api, path);
  await screen.findByRole("link", { name: "0" });
  await user.type(field(), text);
  return user;
}

test("a number leads to its feature", async () => {
  const user = await search("119");
  expect(within(await group("Number")).getByRole("option").textContent).toContain("119");
  await user.keyboard("{Enter}");
  await screen.findByRole("heading", { name: "Feature 119" });
  expect(address()).toBe("/feature/119");
});

test("a label leads to its feature", async () => {
  const user = await search("DATE");
  expect(within(await group("Labels")).getAllByRole("option")).toHaveLength(1);
  await user.keyboard("{Enter}");
  expect(await screen.findByRole("heading", { name: "Feature 3" })).toBeTruthy();
});

test("a token leads to the list of features that fire on it", async () => {
  api.labels = [];
  const user = await search(" upgrade");
  expect((await within(await group("Features by token")).findByText(/^12 features/)).textContent).toContain("12");
  await user.keyboard("{Enter}");
  await screen.findByText("12 of 120 match");
  expect(address()).toBe("/?token=+upgrade");
});

test("arrows go to one of the features, which is then seen in that list", async () => {
  api.labels = [];
  const user = await search(" upgrade");
  await within(await group("Features by token")).findByText(/^12 features/);
  await user.keyboard("{ArrowDown}{Enter}");
  await screen.findByRole("tablist", { name: "Examples" });
  expect(address()).toMatch(/^\/feature\/\d*0\?token=\+upgrade$/);
});

test("a phrase leads to the rows that have it, before any token", async () => {
  await search("price target");
  const options = await screen.findAllByRole("option");
  expect(options[0]?.textContent).toBe("rows with “price target”");
});

test("one request for each kind is made once typing pauses", async () => {
  await search("upgrade");
  await within(await group("Features by token")).findByText(/^12 features/);
  const tokens = api.requests.filter((request) => request.includes("limit=4"));
  expect(tokens).toHaveLength(1);
});

test("the option that Enter opens is announced, and stays it when others come", async () => {
  const user = await search("upgrade");
  const active = () => document.getElementById(field().getAttribute("aria-activedescendant") ?? "")?.textContent;
  expect(active()).toContain("upgrades of brokers");
  await user.keyboard("{ArrowDown}");
  expect(active()).toContain("on tokens with");
  await within(await group("Features by token")).findByText(/^12 features/);
  expect(active()).toContain("on tokens with");
});

test("Escape closes what was found, and then empties the field", async () => {
  const user = await search("119");
  await user.keyboard("{Escape}");
  expect(screen.queryByRole("listbox")).toBeNull();
  await user.keyboard("{Escape}");
  expect((field() as HTMLInputElement).value).toBe("");
});

test("a slash, and Ctrl K also from a field, put the cursor into the search", async () => {
  const user = open(api, "/");
  await screen.findByRole("link", { name: "0" });
  await user.keyboard("/");
  expect(document.activeElement).toBe(field());
  await user.click(screen.getByText("+ Filter"));
  await user.click(screen.getByRole("textbox", { name: "fires on" }));
  await user.keyboard("{Control>}k{/Control}");
  expect(document.activeElement).toBe(field());
});
