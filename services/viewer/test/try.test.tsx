/** The page for one's own text, and all features of a row, over a real HTTP server. */

import { screen, waitFor, within } from "@testing-library/react";
import { afterEach, beforeEach, expect, test } from "vitest";

import { type FakeApi, startFakeApi } from "./fakeApi";
import { address, open } from "./open";

let api: FakeApi;

beforeEach(async () => {
  api = await startFakeApi();
  api.models = { can_ask: true, why_not: null };
});

afterEach(() => {
  api.close();
});

const grid = () => screen.findByRole("grid", { name: "Features and tokens of your text" });
const lines = async () =>
  within(await grid())
    .getAllByRole("link")
    .map((link) => link.textContent);

test("a text's features are a matrix, and the text is in the address", async () => {
  const user = open(api, "/try");
  await user.type(await screen.findByRole("textbox", { name: "Your text" }), "it goes up & up");
  await user.click(screen.getByRole("button", { name: "Show its features" }));
  expect(await lines()).toEqual(["3", "12"]);
  expect(address()).toBe("/try?text=it+goes+up+%26+up");
  expect(within(await grid()).getByText("99.7 %")).toBeDefined();
  expect(api.writes).toMatchObject([{ call: "POST /api/encode", body: { text: "it goes up & up" } }]);
});

test("an address with a text shows its features; an order is part of it", async () => {
  const user = open(api, "/try?text=up");
  expect(await lines()).toEqual(["3", "12"]);
  await user.click(screen.getByRole("radio", { name: "by first token" }));
  expect(await lines()).toEqual(["12", "3"]);
  expect(address()).toBe("/try?text=up&sort=first");
  expect(api.writes).toHaveLength(1);
});

test("a token that is selected says all its features, and how strong they are", async () => {
  const user = open(api, "/try?text=goes+up");
  await user.click(await screen.findByRole("option", { name: /up/ }));
  const selected = screen.getByRole("region", { name: "Selected token" });
  await waitFor(() => {
    expect(selected.textContent).toContain("stronger than 99.7 % of its activations in your data");
  });
  expect(within(selected).getAllByRole("listitem")).toHaveLength(2);
  expect(address()).toContain("token=1");
});

test("a text that is too long can't be asked about", async () => {
  const user = open(api, "/try");
  const field = await screen.findByRole("textbox", { name: "Your text" });
  await user.click(field);
  await user.paste("x".repeat(20_001));
  expect((await screen.findByRole("alert")).textContent).toContain("20,001 characters; 20,000 can be asked");
  expect(screen.getByRole("button", { name: "Show its features" })).toHaveProperty("disabled", true);
});

test("a text that no address can hold is asked about all the same", async () => {
  const user = open(api, "/try");
  await user.click(await screen.findByRole("textbox", { name: "Your text" }));
  await user.paste("up ".repeat(3000));
  await user.click(screen.getByRole("button", { name: "Show its features" }));
  expect(await screen.findByText(/too long for the address/)).toBeDefined();
  expect(address()).toBe("/try");
});

test("where models can't be asked the page says why, and asks nothing", async () => {
  api.models = { can_ask: false, why_not: "Start it with `saescope serve --models`." };
  open(api, "/try?text=up");
  expect(await screen.findByText("saescope serve --models")).toBeDefined();
  expect(screen.queryByRole("textbox", { name: "Your text" })).toBeNull();
  expect(api.writes).toEqual([]);
});

test("what a row's files don't hold is asked of the model on demand", async () => {
  const user = open(api, "/prompts/3");
  const button = await screen.findByRole("button", { name: "All features of this row" });
  expect(api.requests.some((request) => request.includes("/activations"))).toBe(false);
  await user.click(button);
  const all = await screen.findByRole("grid", { name: "All features and tokens of row 3" });
  expect(
    within(all)
      .getAllByRole("link")
      .map((link) => link.textContent),
  ).toEqual(["12", "3"]);
  await user.click(button);
  expect(await screen.findByRole("grid", { name: "Features and tokens of row 3" })).toBeDefined();
});

test("a row's page without models has no such button", async () => {
  api.models = { can_ask: false, why_not: "Not here." };
  open(api, "/prompts/3");
  await screen.findByRole("grid", { name: "Features and tokens of row 3" });
  expect(screen.queryByRole("button", { name: "All features of this row" })).toBeNull();
});
