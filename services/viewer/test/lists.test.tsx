/** Choosing among many runs, looking at features in passing, and texts that are one stop of the Tab key. */

import { screen, waitFor, within } from "@testing-library/react";
import { afterEach, beforeEach, expect, test } from "vitest";

import { type FakeApi, RUN, startFakeApi } from "./fakeApi";
import { address, open } from "./open";

let api: FakeApi;

beforeEach(async () => {
  api = await startFakeApi();
});

afterEach(() => {
  api.close();
});

const many = () =>
  Array.from({ length: 30 }, (_, number) => ({ ...RUN, id: `run-${number}`, source: `texts/set${number}.csv` }));

const options = () => within(screen.getByRole("listbox", { name: "Runs" })).queryAllByRole("option");

test("of many runs one is found by what is typed, with the keyboard alone", async () => {
  api.runs = many();
  const user = open(api, "/");
  const field = await screen.findByRole<HTMLInputElement>("combobox", { name: "Run" });
  expect(field.value).toContain("set0.csv");
  await user.click(field);
  expect(options()).toHaveLength(31);
  await user.type(field, "SET2");
  expect(options().map((option) => option.id.split("-run-")[1])).toEqual([
    "2",
    ...Array.from({ length: 10 }, (_, digit) => `2${digit}`),
  ]);
  await user.keyboard("{ArrowDown}{ArrowDown}{Enter}");
  await waitFor(() => {
    expect(address()).toContain("run=run-21");
  });
  expect(field.value).toContain("set21.csv");
  expect(screen.queryByRole("listbox", { name: "Runs" })).toBeNull();
});

test("Escape leaves the run as it is, and no match is said", async () => {
  api.runs = many();
  const user = open(api, "/?run=run-4");
  const field = await screen.findByRole<HTMLInputElement>("combobox", { name: "Run" });
  await user.click(field);
  await user.type(field, "nothing like this");
  expect(options()).toEqual([]);
  expect(screen.getByText(/No run has this/)).toBeDefined();
  await user.keyboard("{Escape}");
  expect(field.value).toContain("set4.csv");
  expect(address()).toContain("run=run-4");
});

test("a feature's texts are one stop of the Tab key; arrows lead from text to text, and to their rows", async () => {
  const user = open(api, "/feature/3?show=strongest");
  const list = await screen.findByRole("list", { name: "Top activations" });
  expect(list.querySelectorAll("[tabindex='0']")).toHaveLength(1);
  const stop = list.querySelector<HTMLElement>("[tabindex='0']");
  stop?.focus();
  expect(stop?.dataset.index).toBe("2");
  const line = () => Array.from(list.children).indexOf(document.activeElement?.closest("li") as Element);
  await user.keyboard("{ArrowDown}{ArrowDown}");
  expect(line()).toBe(2);
  await user.keyboard("{ArrowLeft}");
  expect((document.activeElement as HTMLElement).dataset.index).toBe("1");
  await user.keyboard("{End}");
  expect(document.activeElement?.textContent).toBe("row 79");
  await user.keyboard("{ArrowUp}");
  expect(document.activeElement?.textContent).toBe("row 78");
  await user.keyboard("{ArrowLeft}");
  expect((document.activeElement as HTMLElement).dataset.index).toBe("3");
  await user.keyboard("{ArrowRight}");
  expect(document.activeElement?.textContent).toBe("row 78");
  await user.keyboard("{Home}");
  expect((document.activeElement as HTMLElement).dataset.index).toBe("2");
  expect(list.querySelectorAll("[tabindex='0']")).toHaveLength(1);
  expect(address()).toContain("/feature/3");
});

const row = async (rank: number) => {
  const table = await screen.findByRole("table", { name: "Features" });
  await waitFor(() => {
    expect(table.querySelector(`[data-row="${rank}"] [role=cell] + [role=cell]`)).not.toBeNull();
  });
  return table.querySelector<HTMLElement>(`[data-row="${rank}"]`) as HTMLElement;
};

test("the mouse that rests on a feature of the list sees its texts, which Escape takes away", async () => {
  const user = open(api, "/");
  await user.hover(await row(3));
  const card = await screen.findByRole("tooltip");
  expect(within(card).getAllByRole("listitem").length).toBeGreaterThan(1);
  await user.hover(card);
  expect(screen.getByRole("tooltip")).toBe(card);
  await user.keyboard("{Escape}");
  expect(screen.queryByRole("tooltip")).toBeNull();
});

test("the focus that rests in the list shows the same, as the link's description, and is asked once", async () => {
  const user = open(api, "/");
  const third = await row(2);
  await user.tab();
  await user.keyboard("jjj");
  expect(document.activeElement).toBe(within(third).getByRole("link"));
  const card = await screen.findByRole("tooltip");
  expect(document.activeElement?.getAttribute("aria-describedby")).toBe(card.id);
  await user.keyboard("kj");
  await screen.findByRole("tooltip");
  expect(api.requests.filter((request) => request.startsWith("/api/feature_info?id=2&"))).toHaveLength(1);
});

test("a finger gets no card", async () => {
  const user = open(api, "/");
  await user.pointer({ keys: "[TouchA>]", target: await row(0) });
  await user.hover(await row(1));
  const card = await screen.findByRole("tooltip");
  expect((await row(1)).querySelector("a")?.getAttribute("aria-describedby")).toBe(card.id);
  expect(api.requests.some((request) => request.startsWith("/api/feature_info?id=0&"))).toBe(false);
});
