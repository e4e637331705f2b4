/** What a feature's page shows when the API has it, and what of the page is in its address. */

import { render, screen, within } from "@testing-library/react";
import { afterEach, beforeEach, expect, test } from "vitest";

import type { FeatureInfo } from "../src/apiTypes";
import { FiredFeature } from "../src/components/feature/FiredFeature";
import { DEFAULT_STATE, type ViewState } from "../src/lib/viewState";
import { type FakeApi, startFakeApi } from "./fakeApi";
import { address, open } from "./open";

let api: FakeApi;

beforeEach(async () => {
  api = await startFakeApi();
});

afterEach(() => {
  api.close();
});

/** A feature that fired, with what an API may know besides. */
async function show(more: Partial<FeatureInfo>, state: Partial<ViewState> = {}) {
  const answer = await fetch(`${api.origin}/api/feature_info?id=3`);
  const info = { ...((await answer.json()) as FeatureInfo), ...more };
  render(<FiredFeature info={info} descriptions={{}} metric="alpha" state={{ ...DEFAULT_STATE, ...state }} />);
}

test("without logits, effects and explanations nothing is said of them", async () => {
  await show({});
  for (const name of ["Logits", "Effects", "Explanations"]) {
    expect(screen.queryByRole("region", { name })).toBeNull();
  }
});

test("logits are shown with their tokens, promoted and suppressed apart", async () => {
  const up = { token_id: 7, token: "<b> up\n", value: 1.25 };
  const rest = { variant: "", histogram: { heights: [1], low: -1, high: 2 }, mean: 0, std: 1, skew: 0, kurtosis: 3 };
  const suppressed = [{ token_id: 8, token: " down", value: -0.5 }];
  await show({ logit_effects: { promoted: [up], suppressed, ...rest } });
  const logits = within(screen.getByRole("region", { name: "Logits" }));
  expect(logits.getByRole("list", { name: "Promoted" }).textContent).toBe("<b> up⏎1.250");
  expect(logits.getByRole("list", { name: "Suppressed" }).textContent).toBe(" down-0.5000");
});

test("effects are shown by name with their values", async () => {
  await show({ effects: [{ name: "loss", description: "Without the feature.", value: 0.125 }] });
  expect(within(screen.getByRole("region", { name: "Effects" })).getByRole("definition").textContent).toBe("0.1250");
});

test("explanations are shown as text, with who said so and the score", async () => {
  await show({ explanations: [{ text: "<i>upgrades</i>", author: "someone", score: 0.75 }] });
  const explanation = within(screen.getByRole("region", { name: "Explanations" })).getByRole("listitem");
  expect(explanation.textContent).toBe("<i>upgrades</i> someone, score 0.7500");
});

test("line breaks are drawn as marks, and end lines only where that is asked for", async () => {
  await show({});
  const lastToken = () => screen.getAllByRole("group")[0]?.lastElementChild?.textContent;
  expect(lastToken()).toBe("⏎");
  await show({}, { newlines: true });
  expect(screen.getAllByRole("group").at(-1)?.lastElementChild?.textContent).toBe("⏎\n");
});

test("a row's number leads to the row, at the text's strongest token", async () => {
  await show({});
  // the marker before the window isn't one of the row's tokens
  expect(screen.getAllByRole("link", { name: "row 77" })[0]?.getAttribute("href")).toBe(
    "/prompts/77?run=20261123-101500_run-001&token=1",
  );
});

test("the variance is around the mean", async () => {
  await show({ mean_act: 0.5, mean_act_squared: 0.75 });
  const term = within(screen.getByRole("region", { name: "Statistics" })).getByRole("button", { name: "variance" });
  expect(term.closest("dt")?.nextElementSibling?.textContent).toBe("0.5000");
});

test("all texts and newlines are in the address, which isn't a step of the history each time", async () => {
  const user = open(api, "/feature/3?metric=beta");
  const before = window.history.length;
  await user.click(await screen.findByLabelText("show newlines"));
  await user.click(screen.getAllByRole("button", { name: "Show 3 more" })[0] as HTMLElement);
  expect(address()).toBe("/feature/3?metric=beta&examples=all&newlines=1");
  expect(window.history.length).toBe(before);
});

test("an address that asks for all texts and newlines gets them", async () => {
  open(api, "/feature/3?examples=all&newlines=1");
  const top = within(await screen.findByRole("region", { name: "Top activations" }));
  expect(top.getAllByRole("listitem")).toHaveLength(8);
  expect(screen.getByLabelText<HTMLInputElement>("show newlines").checked).toBe(true);
});
