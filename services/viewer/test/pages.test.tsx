/** The pages over a real HTTP server, as a person uses them. */

import { screen, within } from "@testing-library/react";
import { afterEach, beforeEach, expect, test } from "vitest";

import { type FakeApi, startFakeApi } from "./fakeApi";
import { address, open } from "./open";

let api: FakeApi;

beforeEach(async () => {
  api = await startFakeApi();
});

afterEach(() => {
  api.close();
});

test("a feature's page counts each text's repeats", async () => {
  open(api, "/feature/3?show=strongest");
  const top = within(await screen.findByRole("region", { name: "Top activations" }));
  expect(top.getAllByRole("listitem")).toHaveLength(8);
  expect(top.getAllByText("×4")).toHaveLength(8);
});

test("a token's markup stays text and its colour follows its activation", async () => {
  open(api, "/feature/3");
  const token = (await screen.findAllByText("<b>rises</b>"))[0];
  expect(token?.style.getPropertyValue("--heat")).toBe("1.0000");
  expect(document.querySelector(".token b")).toBeNull();
});

test("focusing a token shows its exact activation, its id and its place in the row", async () => {
  const user = open(api, "/feature/3");
  const token = (await screen.findAllByText("<b>rises</b>"))[0];
  await user.click(token as HTMLElement);
  const tooltip = within(screen.getByRole("tooltip"));
  expect(tooltip.getByText("3.0625")).toBeTruthy();
  expect(tooltip.getByText("16736")).toBeTruthy();
  expect(tooltip.getByText("token 2")).toBeTruthy(); // the marker before the text isn't one of the row's
});

test("in a text the arrow keys move from token to token and stay on the feature", async () => {
  const user = open(api, "/feature/3");
  await user.click((await screen.findAllByText("<b>rises</b>"))[0] as HTMLElement);
  await user.keyboard("{ArrowLeft}");
  expect(within(screen.getByRole("tooltip")).getByText('"Profit"')).toBeTruthy();
  expect(address()).toBe("/feature/3");
});

test("outside of texts j and the arrow keys go through the ranking", async () => {
  const user = open(api, "/feature/49?metric=beta");
  await screen.findByText("rank 71 of 120 by beta");
  await user.keyboard("j");
  await screen.findByText("rank 72 of 120 by beta");
  expect(address()).toBe("/feature/48?metric=beta");
  await user.keyboard("{ArrowLeft}");
  await screen.findByText("rank 71 of 120 by beta");
  expect(address()).toBe("/feature/49?metric=beta");
});

test("the histogram has a bar for each bin that counts something", async () => {
  open(api, "/feature/3");
  expect(await screen.findAllByTestId("bar")).toHaveLength(3);
});

test("a feature that never fired says so and shows no histogram", async () => {
  open(api, "/feature/400");
  expect(await screen.findByText("This feature never fired")).toBeTruthy();
  expect(screen.queryByTestId("bar")).toBeNull();
});

test("an error of the API is shown in its own words", async () => {
  open(api, "/feature/99999");
  expect((await screen.findByRole("alert")).textContent).toContain("There is no feature 99999.");
});

test("an API that doesn't answer is named with the command that starts it", async () => {
  api.close();
  open(api, "/");
  expect((await screen.findByRole("alert", {}, { timeout: 5000 })).textContent).toContain("saescope serve");
});

test("without runs the page says how to make one", async () => {
  api.runs = [];
  open(api, "/");
  expect(await screen.findByText("There are no runs yet")).toBeTruthy();
});

test("a number outside the autoencoder is refused where it was typed", async () => {
  const user = open(api, "/");
  await screen.findByRole("link", { name: "0" });
  const field = screen.getByRole("combobox", { name: "Search" });
  await user.type(field, "512");
  expect(await screen.findByText("Features are numbered 0 to 511.")).toBeTruthy();
  expect(screen.queryByRole("group", { name: "Number" })).toBeNull();
  expect(address()).toBe("/");
});
