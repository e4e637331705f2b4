/** The list of features over a real HTTP server, as a person uses it. Scrolling needs a browser: see the browser tests. */

import { screen, waitFor, within } from "@testing-library/react";
import { afterEach, beforeEach, expect, test } from "vitest";

import { type FakeApi, startFakeApi } from "./fakeApi";
import { labelOf } from "./fakeLabels";
import { address, open } from "./open";

let api: FakeApi;

beforeEach(async () => {
  api = await startFakeApi();
});

afterEach(() => {
  api.close();
});

const feature = (id: number) => screen.findByRole("link", { name: String(id) });
const rows = () =>
  within(screen.getByRole("table", { name: "Features" }))
    .getAllByRole("row")
    .slice(1);
const rankedIds = () => rows().map((row) => within(row).getByRole("link").textContent);
const openFilters = async (user: ReturnType<typeof open>) => {
  await user.click(screen.getByText("+ Filter"));
};
const asked = (part: string) => api.requests.filter((request) => request.includes(part));

test("the list shows the first features of the first metric's ranking and the run's counts", async () => {
  open(api, "/");
  await feature(0);
  expect(rankedIds().slice(0, 3)).toEqual(["0", "1", "2"]);
  expect(screen.getByText("120 features fired")).toBeTruthy();
  expect(await screen.findByText("1,200")).toBeTruthy();
});

test("the table says how many rows it has, and each row which one it is, although not all are there", async () => {
  open(api, "/");
  await feature(0);
  expect(screen.getByRole("table").getAttribute("aria-rowcount")).toBe("121");
  expect(rows().length).toBeLessThan(120);
  expect(
    rows()
      .map((row) => row.getAttribute("aria-rowindex"))
      .slice(0, 3),
  ).toEqual(["2", "3", "4"]);
});

test("a row has the feature's strongest tokens, its spaces included, its value and its histogram", async () => {
  open(api, "/");
  const row = (await feature(0)).closest<HTMLElement>("[role=row]") as HTMLElement;
  expect(within(row).getByText((_, element) => element?.tagName === "BDI").textContent).toBe(" upgrade");
  expect(within(row).getByText("15.00")).toBeTruthy();
  expect(within(row).getByTestId("sparkline")).toBeTruthy();
});

test("only the blocks in view are asked for", async () => {
  open(api, "/");
  await feature(0);
  expect(asked("details").map((request) => new URL(request, api.origin).searchParams.get("offset"))).toEqual(["0"]);
});

test("choosing a metric ranks by it, puts it in the address and shows its description", async () => {
  const user = open(api, "/");
  await user.selectOptions(await screen.findByRole("combobox", { name: "Ranked by" }), "Beta");
  await feature(119);
  expect(rankedIds()[0]).toBe("119");
  expect(address()).toBe("/?metric=beta");
  expect(screen.getByText("The second letter.")).toBeTruthy();
});

test("a column's head sorts by it, and the other way round when it is pressed again", async () => {
  const user = open(api, "/");
  await user.click(await screen.findByRole("button", { name: "Feature" }));
  const head = await screen.findByRole("columnheader", { name: "Feature" });
  await waitFor(() => {
    expect(head.getAttribute("aria-sort")).toBe("ascending");
  });
  expect(address()).toBe("/?sort=feature_id&order=asc");
  await user.click(screen.getByRole("button", { name: "Feature" }));
  await feature(119);
  expect(head.getAttribute("aria-sort")).toBe("descending");
  expect(rankedIds()[0]).toBe("119");
  expect(address()).toBe("/?sort=feature_id");
});

test("the metrics with columns are chosen, and kept in the address", async () => {
  const user = open(api, "/?columns=beta");
  await user.click(await screen.findByText("Columns"));
  const box = (name: string) => screen.getByRole<HTMLInputElement>("checkbox", { name });
  expect([box("Alpha").checked, box("Beta").checked]).toEqual([false, true]);
  await user.click(box("Beta"));
  expect(address()).toBe("/?columns=");
  await user.click(box("Alpha"));
  expect(address()).toBe("/?columns=alpha");
  await user.click(box("Beta"));
  expect(address()).toBe("/");
});

test("a token that is looked for is asked for once typing pauses, with its spaces, and shown", async () => {
  const user = open(api, "/");
  await feature(0);
  await openFilters(user);
  await user.type(screen.getByRole("textbox", { name: "fires on" }), " UPGRADE");
  expect(await screen.findByText(/^12 of 120 match/)).toBeTruthy();
  await feature(110);
  expect(rankedIds()).toHaveLength(12);
  expect(new URLSearchParams(window.location.search).get("token")).toBe(" UPGRADE");
  expect(screen.getByRole("button", { name: /^Without the filter: fires on/ }).textContent).toContain(" UPGRADE");
});

test("typing replaces the address instead of adding to the history", async () => {
  const user = open(api, "/");
  await feature(0);
  await openFilters(user);
  const { length } = window.history;
  await user.type(screen.getByRole("textbox", { name: "active tokens at least" }), "100");
  await screen.findByText("21 of 120 match");
  expect(address()).toBe("/?min_count=100");
  expect(window.history.length).toBe(length);
});

test("densities are typed as percentages", async () => {
  const user = open(api, "/");
  await feature(0);
  await openFilters(user);
  await user.type(screen.getByRole("textbox", { name: "density to, in percent" }), "0.03");
  // 10 of 34,567 tokens are 0.0289 %, 11 are 0.0318 %
  await screen.findByText("10 of 120 match");
  expect(address()).toBe("/?max_density=0.0003");
});

test("what makes no sense as a filter says so beside the field and is asked nobody", async () => {
  const user = open(api, "/?max_density=0.01");
  await feature(0);
  await openFilters(user);
  const field = screen.getByRole("textbox", { name: "density from, in percent" });
  await user.type(field, "half");
  expect(screen.getByRole("alert").textContent).toBe("Type a percentage from 0 to 100, such as 0.5.");
  expect(field.getAttribute("aria-describedby")).toBe(screen.getByRole("alert").id);
  await user.clear(field);
  await user.type(field, "2");
  expect(screen.getByRole("alert").textContent).toBe("The density can’t be over 2 % and under 1 %.");
  expect(address()).toBe("/?max_density=0.01");
});

test("a filter's chip takes it away, and no other", async () => {
  const user = open(api, "/?min_count=100&token=upgrade");
  await user.click(await screen.findByRole("button", { name: /at least 100 active tokens/ }));
  await screen.findByText("12 of 120 match");
  expect(address()).toBe("/?token=upgrade");
});

test("a label and a star stand in the feature's row", async () => {
  api.labels = [labelOf(1, { label: "dates", starred: true })];
  open(api, "/");
  const row = (await feature(1)).closest<HTMLElement>("[role=row]") as HTMLElement;
  expect(await within(row).findByText("dates")).toBeTruthy();
  expect(within(row).getByText("starred")).toBeTruthy();
});

test("labelled and starred features are asked for and are in the address", async () => {
  const user = open(api, "/");
  await feature(0);
  await openFilters(user);
  await user.click(screen.getByRole("checkbox", { name: "starred" }));
  expect(address()).toBe("/?starred=1");
  await waitFor(() => {
    expect(asked("/api/features?").some((request) => request.includes("starred=true"))).toBe(true);
  });
});

test("going back puts what was typed before into the fields", async () => {
  const user = open(api, "/?min_count=100");
  await screen.findByText("21 of 120 match");
  await user.click(screen.getByRole("button", { name: "Clear all" }));
  await screen.findByText("120 features fired");
  await openFilters(user);
  expect(screen.getByRole<HTMLInputElement>("textbox", { name: "active tokens at least" }).value).toBe("");
  window.history.back();
  await screen.findByText("21 of 120 match");
  expect(screen.getByRole<HTMLInputElement>("textbox", { name: "active tokens at least" }).value).toBe("100");
});

test("clearing all filters takes a wrong text away too", async () => {
  const user = open(api, "/?min_count=100");
  await screen.findByText("21 of 120 match");
  await openFilters(user);
  await user.type(screen.getByRole("textbox", { name: "density to, in percent" }), "x");
  await user.click(screen.getByRole("button", { name: "Clear all" }));
  expect(screen.queryByRole("alert")).toBeNull();
  expect(address()).toBe("/");
});

test("when nothing matches the page says what to do and keeps the fields", async () => {
  const user = open(api, "/?min_count=500");
  expect(await screen.findByText("No feature matches")).toBeTruthy();
  await openFilters(user);
  await user.clear(screen.getByRole("textbox", { name: "active tokens at least" }));
  await feature(0);
});

test("features that never fired are counted and listed by number", async () => {
  const user = open(api, "/");
  await user.click(await screen.findByRole("link", { name: "392" }));
  await feature(120);
  const list = within(screen.getByRole("list", { name: "Features that never fired" }));
  expect(list.getAllByRole("link").map((link) => link.textContent)[0]).toBe("120");
  expect(screen.getByRole("status").textContent).toBe("392 features never fired");
  expect(address()).toBe("/?dead=1");
  await user.click(screen.getByRole("button", { name: "Without the filter: never fired" }));
  await feature(0);
  expect(address()).toBe("/");
});

test("j, k, arrows and End move from row to row, also to rows that weren't there", async () => {
  const user = open(api, "/");
  (await feature(0)).focus();
  await user.keyboard("jj{ArrowDown}k");
  expect(document.activeElement?.textContent).toBe("2");
  await user.keyboard("{End}");
  await waitFor(() => {
    expect(document.activeElement?.textContent).toBe("119");
  });
  await user.keyboard("{Home}");
  expect(document.activeElement?.textContent).toBe("0");
});

test("the table is one stop of the Tab key", async () => {
  open(api, "/");
  await feature(0);
  expect(rows().filter((row) => within(row).getByRole("link").tabIndex === 0)).toHaveLength(1);
});

test("a row opens its feature, which knows its place in the filtered list", async () => {
  const user = open(api, "/?token=+upgrade&metric=beta");
  await user.click(await feature(100));
  expect(await screen.findByText(/^rank 2 of 12 by beta, filtered$/)).toBeTruthy();
  expect(address()).toBe("/feature/100?metric=beta&token=+upgrade");
  await user.keyboard("j");
  expect(address()).toBe("/feature/90?metric=beta&token=+upgrade");
});

test("the neighbours of a feature are loaded before one goes there", async () => {
  open(api, "/feature/50");
  await screen.findByText("rank 51 of 120 by alpha");
  await waitFor(() => {
    expect(asked("/api/feature_info?id=49&")).toHaveLength(1);
    expect(asked("/api/feature_info?id=51&")).toHaveLength(1);
    expect(asked("/api/feature_rank?id=51&")).toHaveLength(1);
  });
  expect(asked("id=52&")).toHaveLength(0);
});

test("among the features that never fired the next one is the next number", async () => {
  const user = open(api, "/feature/130?dead=1");
  expect(await screen.findByText("rank 11 of 392 by feature, lowest first, filtered")).toBeTruthy();
  await user.keyboard("j");
  expect(address()).toBe("/feature/131?dead=1");
});

test("a feature that the filters leave out says so", async () => {
  open(api, "/feature/3?token=upgrade");
  expect(await screen.findByText("features by alpha; the filters leave this one out")).toBeTruthy();
});

test("the random feature is one of the features that match", async () => {
  const user = open(api, "/?token=upgrade");
  await feature(0);
  await user.click(screen.getByRole("button", { name: "Random feature" }));
  await screen.findByRole("tablist", { name: "Examples" });
  expect(address()).toMatch(/^\/feature\/\d*0\?token=upgrade$/);
});

test("a list that can't be had is an error in the API's words, with a way out", async () => {
  open(api, "/?run=gone");
  expect((await screen.findByRole("alert")).textContent).toContain("There is no run 'gone'.");
  expect(screen.getByRole("link", { name: "Newest run" }).getAttribute("href")).toBe("/");
});
