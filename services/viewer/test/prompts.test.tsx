/** Rows of the dataset over a real HTTP server, as a person uses them. */

import { screen, waitFor, within } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { type FakeApi, LIVE_RUN, RUN, startFakeApi } from "./fakeApi";
import { LONG_ROW, SKIPPED_ROW } from "./fakeContent";
import { FakeEventSource } from "./fakeEvents";
import { address, open } from "./open";

let api: FakeApi;

beforeEach(async () => {
  api = await startFakeApi();
  vi.stubGlobal("EventSource", FakeEventSource);
});

afterEach(() => {
  api.close();
});

// roles are looked for slowly among hundreds of links and thousands of tokens
const rowLink = (id: number) => screen.findByText(`row ${id}`);
const listedRows = () => Array.from(document.querySelectorAll("[data-row-link]"), (link) => link.textContent);
const tokens = () => document.querySelectorAll("[role=option]");
const textField = () => screen.findByRole("textbox", { name: "with the text" });
const token = (index: number) => document.querySelector<HTMLElement>(`[data-index="${index}"]`) as HTMLElement;
const selectedToken = () => within(screen.getByRole("region", { name: "Selected token" }));

test("rows come in order with their features, each with the token it fired on, and lead to the feature", async () => {
  const user = open(api, "/prompts");
  await rowLink(0);
  expect(listedRows().slice(0, 3)).toEqual(["row 0", "row 1", "row 2"]);
  expect(listedRows()).toHaveLength(50);
  const features = within(screen.getByRole("list", { name: "Features of row 1" }));
  expect(features.getAllByRole("link").map((link) => link.textContent)).toEqual([
    "3  <b>rises</b>",
    "9  <b>rises</b>",
    "4 Profit",
  ]);
  await user.click(features.getByRole("link", { name: /^9/ }));
  expect(await screen.findByRole("heading", { name: "Feature 9" })).toBeTruthy();
});

test("a skipped row is listed with its reason", async () => {
  open(api, "/prompts");
  const row = (await rowLink(SKIPPED_ROW)).closest("li") as HTMLElement;
  expect(within(row).getByText("skipped: no text")).toBeTruthy();
});

test("next and previous lead through the pages, past rows that are missing", async () => {
  const user = open(api, "/prompts");
  await rowLink(0);
  await user.click(screen.getByText("Next →"));
  await rowLink(50);
  expect(address()).toBe("/prompts?from=50");
  await user.click(screen.getByText("Next →"));
  await rowLink(103);
  await waitFor(() => {
    expect(screen.getByText("← Previous").getAttribute("href")).toBe("/prompts?from=53");
  });
  await user.click(screen.getByText("← Previous"));
  await rowLink(53);
  expect(address()).toBe("/prompts?from=53");
  expect(listedRows().at(-1)).toBe("row 105");
});

test("a row's number begins the list there", async () => {
  const user = open(api, "/prompts?from=100");
  await rowLink(100);
  const field = screen.getByRole("textbox", { name: "from row" });
  await user.clear(field);
  await user.type(field, "111");
  await waitFor(() => {
    expect(listedRows()[0]).toBe("row 111");
  });
  expect(address()).toBe("/prompts?from=111");
  expect(screen.getByRole("status").textContent).toBe("rows 111 to 119, of 1,200 rows in all");
});

test("a search goes on by itself until it has looked at every row, and marks what it found", async () => {
  const user = open(api, "/prompts");
  await user.type(await textField(), "NUMBER9");
  expect(await screen.findByText("11 rows found")).toBeTruthy();
  expect(listedRows()).toEqual(["row 9", ...Array.from({ length: 10 }, (_, row) => `row ${90 + row}`)]);
  expect(address()).toBe("/prompts?text=NUMBER9");
  expect(document.querySelector("mark")?.textContent).toBe("number9");
  const asked = api.requests.filter(
    (request) => request.startsWith("/api/prompts?") && request.includes("text=NUMBER9"),
  );
  expect(asked.map((request) => new URL(request, api.origin).searchParams.get("from"))).toEqual(["0", "45", "93"]);
});

test("a page of a search is full at fifty rows and says from where the next one looks", async () => {
  open(api, "/prompts?text=profit");
  expect(await screen.findByText("50 rows found before row 52")).toBeTruthy();
  expect(screen.getByRole("link", { name: "Next →" }).getAttribute("href")).toBe("/prompts?text=profit&from=52");
});

test("a search that stops says so, keeps what it found, and can be gone on with", async () => {
  const user = open(api, "/prompts");
  await rowLink(0);
  api.failing = "from=45";
  await user.type(await textField(), "number9");
  expect((await screen.findByRole("alert")).textContent).toContain("The disk is full.");
  expect(listedRows()).toEqual(["row 9"]);
  expect(screen.getByText("1 row found before row 45")).toBeTruthy();
  api.failing = null;
  await user.click(screen.getByRole("button", { name: "Look further" }));
  expect(await screen.findByText("11 rows found")).toBeTruthy();
});

test("what isn't there is said, and how to look otherwise", async () => {
  open(api, "/prompts?text=nothing+like+it");
  expect(await screen.findByText("There are no such rows")).toBeTruthy();
  expect(screen.getByText(/Look for a shorter part of the text/)).toBeTruthy();
  const parts = within(await screen.findByRole("list", { name: "Shorter texts" }));
  expect(parts.getAllByRole("listitem").map((part) => part.textContent)).toEqual(["“like”, 5 rows", "“it”, 10 rows"]);
  expect(parts.getByRole("link", { name: /like/ }).getAttribute("href")).toBe("/prompts?text=like");
});

test("the run can be changed without losing the text that is looked for", async () => {
  api.runs = [RUN, { ...RUN, id: "other" }];
  const user = open(api, "/prompts?text=number9");
  await user.selectOptions(await screen.findByRole("combobox", { name: "Run" }), "other");
  expect(address()).toBe("/prompts?text=number9&run=other");
});

test("a row's page has its tokens, those with features marked, and its strongest features", async () => {
  open(api, "/prompts/1");
  await screen.findByRole("heading", { name: "Row 1" });
  const tokens = screen.getAllByRole("option");
  expect(tokens.map(({ textContent }) => textContent)).toEqual(["Profit", " <b>rises</b>", "⏎", " number1"]);
  expect(tokens.map(({ dataset }) => dataset["fired"] ?? null)).toEqual(["true", "true", null, null]);
  const features = within(await screen.findByRole("grid", { name: "Features and tokens of row 1" }));
  expect(features.getAllByRole("link").map((link) => link.textContent)).toEqual(["4", "3", "9"]);
});

test("the order of a row's features is chosen, and is in the address", async () => {
  const user = open(api, "/prompts/1");
  const grid = within(await screen.findByRole("grid"));
  await user.click(screen.getByRole("radio", { name: "strongest" }));
  expect(grid.getAllByRole("link").map((link) => link.textContent)).toEqual(["3", "9", "4"]);
  expect(address()).toBe("/prompts/1?sort=strongest");
});

test("a matrix is one tab stop, its cells are reached by arrow keys, and a cell selects its token", async () => {
  const user = open(api, "/prompts/1");
  const grid = await screen.findByRole("grid");
  expect(grid.querySelectorAll('[tabindex="0"]')).toHaveLength(1);
  within(grid).getByRole("link", { name: "Feature 4" }).focus();
  await user.keyboard("{ArrowDown}{ArrowRight}{ArrowRight}");
  expect(document.activeElement?.textContent).toBe("4.5");
  expect(document.activeElement?.getAttribute("aria-label")).toBe("4.5, 50 % of its strongest");
  expect(grid.querySelectorAll('[tabindex="0"]')).toHaveLength(1);
  await user.keyboard("{Enter}");
  expect(address()).toBe("/prompts/1?token=1");
});

test("a run that keeps no firings says that an empty cell is no silence", async () => {
  open(api, "/prompts/1");
  expect(await screen.findByText(/an empty cell doesn’t mean that a feature is silent/)).toBeTruthy();
});

test("the features of the rows found stand beside them, and lead to the feature", async () => {
  const user = open(api, "/prompts?text=number9");
  const shared = within(await screen.findByRole("region", { name: "Features of these rows" }));
  expect(await shared.findByText(/In 11 rows found these are among the 10 strongest of a row/)).toBeTruthy();
  expect(shared.getAllByRole("link").map((link) => link.textContent)[0]).toBe("0 rises91 % ×14");
  expect(shared.getAllByRole("link")).toHaveLength(6);
  await user.click(shared.getByRole("button", { name: "Show 2 more" }));
  await user.click(shared.getAllByRole("link")[7] as HTMLElement);
  expect(address()).toBe("/feature/7");
});

test("pointing at a token says which features fired on it, or that none did", async () => {
  const user = open(api, "/prompts/1");
  await screen.findAllByRole("option");
  await user.hover(token(1));
  expect(screen.getByRole("tooltip").textContent).toBe(
    '" <b>rises</b>"token 2, id 1001feature 3: 4.500feature 9: 2.250',
  );
  await user.hover(token(2));
  expect(screen.getByRole("tooltip").textContent).toContain("None of this row’s strongest features");
});

test("a token is selected with the keyboard, is in the address, and leads to its features", async () => {
  const user = open(api, "/prompts/1?run=" + RUN.id);
  await screen.findAllByRole("option");
  token(0).focus();
  await user.keyboard("{ArrowRight}{Enter}");
  expect(address()).toBe(`/prompts/1?run=${RUN.id}&token=1`);
  expect(token(1).getAttribute("aria-selected")).toBe("true");
  await user.click(selectedToken().getByRole("link", { name: "feature 9" }));
  expect(address()).toBe(`/feature/9?run=${RUN.id}`);
});

test("the token in the address is selected, one without features says so, and one that isn't there too", async () => {
  open(api, "/prompts/1?token=3");
  expect(await screen.findByRole("heading", { name: "Token 4 number1" })).toBeTruthy();
  expect(selectedToken().getByText(/None of this row’s strongest features/)).toBeTruthy();
  open(api, "/prompts/2?token=99");
  expect(await screen.findByText("This row has no token 100.")).toBeTruthy();
});

test("pointing at a feature marks where it fires in the text", async () => {
  const user = open(api, "/prompts/1");
  const grid = within(await screen.findByRole("grid"));
  await user.hover(grid.getByRole("link", { name: "Feature 4" }));
  expect(token(0).className).toContain("outline-accent");
  expect(token(1).className).not.toContain("outline-accent");
});

test("of a long row a stretch is shown, and a feature that is strongest elsewhere leads there", async () => {
  const user = open(api, `/prompts/${LONG_ROW}?token=2400`);
  await screen.findByText("tokens 2,305–2,432 of 2,500");
  await user.click(screen.getByRole("button", { name: "at token 1 →" }));
  expect(address()).toBe(`/prompts/${LONG_ROW}?token=0`);
  expect(screen.getByText("tokens 1–128 of 2,500")).toBeTruthy();
  await user.click(screen.getByRole("button", { name: "Tokens after" }));
  expect(screen.getByText("tokens 129–256 of 2,500")).toBeTruthy();
});

test("of a long row two thousand tokens are shown at first, and window borders are marked", async () => {
  const user = open(api, `/prompts/${LONG_ROW}`);
  const button = await screen.findByText("Show all 2,500 tokens");
  expect(tokens()).toHaveLength(2000);
  expect(token(63).className).toContain("border-s-2");
  expect(token(64).className).not.toContain("border-s-2");
  await user.click(button);
  expect(tokens()).toHaveLength(2500);
});

test("an address with a token far into a long row shows it", async () => {
  open(api, `/prompts/${LONG_ROW}?token=2400`);
  await screen.findByText("Token 2401");
  expect(token(2400).getAttribute("aria-selected")).toBe("true");
});

test("j and k lead to the rows beside, skipped ones included, and a skipped row says why", async () => {
  const user = open(api, `/prompts/${SKIPPED_ROW - 1}`);
  await screen.findAllByRole("option");
  await user.keyboard("j");
  expect(await screen.findByText("This row was skipped")).toBeTruthy();
  expect(screen.getByText(/no text/)).toBeTruthy();
  await user.keyboard("k");
  expect(await screen.findByRole("heading", { name: `Row ${SKIPPED_ROW - 1}` })).toBeTruthy();
});

test("a row that isn't there, and what isn't a row, say so and lead to the rows", async () => {
  open(api, "/prompts/60");
  expect((await screen.findByRole("alert")).textContent).toContain(`run ${RUN.id} has no row 60`);
  expect(screen.getByRole("link", { name: "All rows" }).getAttribute("href")).toBe("/prompts");
  open(api, "/prompts/nobody");
  expect(await screen.findByText("“nobody” isn’t a row")).toBeTruthy();
});

test("the rows of a run that is going are shown as far as it is", async () => {
  api.runs = [LIVE_RUN];
  open(api, "/prompts");
  await rowLink(0);
  expect(await screen.findByText("live: 300 rows so far")).toBeTruthy();
});
