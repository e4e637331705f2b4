/** Two runs compared, over a real HTTP server, as a person does it. */

import { screen, waitFor, within } from "@testing-library/react";
import { afterEach, beforeEach, expect, test } from "vitest";

import { type FakeApi, OPTIONS, RUN, startFakeApi } from "./fakeApi";
import { address, open } from "./open";

const OTHER = { ...RUN, id: "20261122-090000_run-001" };
const FOREIGN = { ...RUN, id: "20261121-090000_run-001", autoencoder: "another.pt" };
const BOTH = `a=${OTHER.id}&b=${RUN.id}`;
let api: FakeApi;

beforeEach(async () => {
  api = await startFakeApi();
  api.runs = [RUN, OTHER, FOREIGN];
});

afterEach(() => {
  api.close();
});

// roles are looked for slowly among hundreds of rows
const table = () => screen.findByLabelText("Features");
const rows = async () => Array.from((await table()).querySelectorAll<HTMLElement>("[role=row]")).slice(1);
/** While another list is on its way, the last one is shown. */
const expectFirst = (id: string) =>
  waitFor(async () => {
    expect((await rows())[0]?.querySelector("a")?.textContent).toBe(id);
  });

test("two runs are chosen on the page and are then in its address", async () => {
  const user = open(api, "/compare");
  expect(await screen.findByText("Choose two runs")).toBeTruthy();
  await user.selectOptions(screen.getByRole("combobox", { name: "Run A" }), OTHER.id);
  await user.selectOptions(screen.getByRole("combobox", { name: "Run B" }), RUN.id);
  expect(await rows()).toHaveLength(100);
  expect(address()).toBe(`/compare?${BOTH}`);
});

test("a feature's row has both sides' tokens and densities, and the ratio with its interval", async () => {
  open(api, `/compare?${BOTH}`);
  const cells = within((await rows())[7] as HTMLElement).getAllByRole("cell");
  expect(cells.map(({ textContent }) => textContent)).toEqual([
    "7",
    "7.3× in B +2.86 (+1.86 to +3.86)",
    "A0.020 % in-a",
    "B0.43 % in-b",
  ]);
  expect(within(cells[1] as HTMLElement).getByTestId("interval")).toBeTruthy();
});

test("what the interval is, and what it takes for independent, is said", async () => {
  open(api, `/compare?${BOTH}`);
  expect((await screen.findByText(/95 % confidence interval/)).textContent).toContain(
    "takes whole texts for independent",
  );
});

test("the order can be chosen and turned round", async () => {
  const user = open(api, `/compare?${BOTH}`);
  await table();
  await user.selectOptions(screen.getByRole("combobox", { name: "Ordered by" }), "density in A");
  expect(address()).toBe(`/compare?${BOTH}&sort=density_a`);
  await expectFirst("149");
  await user.click(screen.getByRole("button", { name: "highest first ↓" }));
  expect(address()).toBe(`/compare?${BOTH}&sort=density_a&order=asc`);
  await expectFirst("0");
});

test("features that fired less than a number of times are left out", async () => {
  const user = open(api, `/compare?${BOTH}`);
  await table();
  await user.type(screen.getByRole("textbox", { name: /^active tokens in both runs/ }), "290");
  expect(await screen.findByText("ranks 1 to 10 of 10 features")).toBeTruthy();
  expect(address()).toBe(`/compare?${BOTH}&min_count=290`);
});

test("when nothing is left the page says what to ask for instead", async () => {
  open(api, `/compare?${BOTH}&min_count=5000`);
  expect(await screen.findByText("No feature matches")).toBeTruthy();
});

test("pages of a hundred features follow each other", async () => {
  const user = open(api, `/compare?${BOTH}`);
  await table();
  await user.click(screen.getByText("Next →"));
  expect(await screen.findByText("ranks 101 to 150 of 150 features")).toBeTruthy();
  expect(address()).toBe(`/compare?${BOTH}&offset=100`);
  await expectFirst("100");
  await user.click(screen.getByText("← Previous"));
  expect(await screen.findByText("ranks 1 to 100 of 150 features")).toBeTruthy();
});

test("a feature leads to its statistics and texts in both runs, and back to the same list", async () => {
  const user = open(api, `/compare?${BOTH}&sort=density_b`);
  await user.click(within(await table()).getByText("19"));
  expect(await screen.findByRole("heading", { name: "Feature 19 compared" })).toBeTruthy();
  expect(screen.getByRole("table", { name: "Statistics" })).toBeTruthy();
  const texts = within(screen.getByRole("region", { name: "Top activations in B" }));
  expect(texts.getAllByRole("link")[0]?.getAttribute("href")).toBe(`/prompts/77?run=${RUN.id}&token=1`);
  expect(screen.getByText(/\+2\.62 \(\+1\.62 to \+3\.62\)/)).toBeTruthy();
  await user.click(screen.getByRole("link", { name: "All compared features" }));
  expect(address()).toBe(`/compare?${BOTH}&sort=density_b`);
});

test("more examples are shown on both sides at once, and that is in the address", async () => {
  const user = open(api, `/compare/3?${BOTH}`);
  await user.click((await screen.findAllByRole("button", { name: "Show 3 more" }))[0] as HTMLElement);
  expect(address()).toBe(`/compare/3?${BOTH}&examples=all`);
  for (const side of ["A", "B"]) {
    const texts = within(screen.getByRole("region", { name: `Top activations in ${side}` }));
    expect(texts.getAllByRole("listitem")).toHaveLength(8);
  }
});

test("a feature that fired in neither run says so", async () => {
  open(api, `/compare/400?${BOTH}`);
  expect(await screen.findByText("It fires on neither side.")).toBeTruthy();
  expect(screen.getAllByText("It was inactive at all 34,567 tokens of this run.")).toHaveLength(2);
});

test("a feature is found by its number", async () => {
  const user = open(api, `/compare?${BOTH}`);
  await table();
  await user.type(screen.getByRole("textbox", { name: "Go to feature" }), "119{Enter}");
  expect(await screen.findByRole("heading", { name: "Feature 119 compared" })).toBeTruthy();
});

test("runs of different autoencoders can't be compared, and others can be chosen at once", async () => {
  const user = open(api, `/compare?a=${FOREIGN.id}&b=${RUN.id}`);
  expect((await screen.findByRole("alert")).textContent).toContain(
    "Their autoencoders differ: choose two of the same.",
  );
  await user.selectOptions(screen.getByRole("combobox", { name: "Run A" }), OTHER.id);
  expect(await rows()).toHaveLength(100);
});

test("with one run only, the page says how there come to be two", async () => {
  api.runs = [RUN];
  open(api, "/compare");
  expect(await screen.findByText("There is only one run")).toBeTruthy();
});

test("without runs the page leads to where one is started", async () => {
  api.runs = [];
  api.options = OPTIONS;
  open(api, "/compare");
  expect(await screen.findByRole("link", { name: "Start a run" })).toBeTruthy();
});

test("an address of a feature without runs leads to runs that it can be compared in", async () => {
  open(api, "/compare/3");
  expect(await screen.findByRole("heading", { name: "Compare feature 3" })).toBeTruthy();
  const offers = screen.getAllByRole("listitem").map((item) => within(item).getByRole("link").getAttribute("href"));
  expect(offers).toEqual([`/compare/3?a=${RUN.id}&b=${OTHER.id}`]);
  expect(screen.getByRole("link", { name: "Choose other runs" }).getAttribute("href")).toBe("/compare");
});

test("what is listed is chosen by the numbers of the summary, and is in the address", async () => {
  const user = open(api, `/compare?${BOTH}`);
  await table();
  expect(screen.getByRole("radio", { name: /^150 fire at all/ })).toHaveProperty("checked", true);
  await user.click(screen.getByRole("radio", { name: /^40 differ/ }));
  expect(address()).toBe(`/compare?${BOTH}&show=differ`);
});
