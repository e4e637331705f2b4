/** What a feature's page shows when the API has it, and what of the page is in its address. */

import { render, screen, within } from "@testing-library/react";
import { afterEach, beforeEach, expect, test } from "vitest";

import type { FeatureInfo, FeatureToken } from "../src/apiTypes";
import { FeatureTitle } from "../src/components/feature/FeatureTitle";
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

const WORD: FeatureToken = {
  token_id: 16736,
  token: " <b>rises</b>",
  count: 21,
  share: 0.5,
  share_of_occurrences: 0.25,
  mean_activation: 2.5,
  max_activation: 3.0625,
};
const SPREAD = {
  num_active_tokens: 42,
  num_distinct_tokens: 12,
  effective_tokens: 3,
  main_token_share: 0.5,
  left_out_tokens: 11,
  left_out_count: 21,
  left_out_sum: 30,
  chunks: 1,
  of: 1,
};

/** A feature that fired, with what an API may know besides. */
async function show(more: Partial<FeatureInfo>, state: Partial<ViewState> = {}) {
  const answer = await fetch(`${api.origin}/api/feature_info?id=3`);
  const info = { ...((await answer.json()) as FeatureInfo), ...more };
  render(<FiredFeature info={info} descriptions={{}} metric="alpha" state={{ ...DEFAULT_STATE, ...state }} />);
}

test("a feature with a label is called by it, and its number stays beside", () => {
  render(<FeatureTitle featureId={3} label="<i>prices</i>" />);
  expect(screen.getByRole("heading", { level: 1 }).textContent).toBe("<i>prices</i> feature 3");
});

test("what the API doesn't have isn't spoken of", async () => {
  await show({});
  for (const name of ["Makes likelier, less likely", "Nearest features", "Fires on", "Effects", "Explanations"]) {
    expect(screen.queryByRole("region", { name })).toBeNull();
  }
});

test("why a part is missing is said in its place", async () => {
  await show({ missing: { logit_effects: "No unembedding.", neighbours: "Too wide." } });
  expect(screen.getByRole("region", { name: "Makes likelier, less likely" }).textContent).toContain("No unembedding.");
  expect(screen.getByRole("region", { name: "Nearest features" }).textContent).toContain("Too wide.");
});

test("tokens that it makes likelier and less likely are apart, with signs", async () => {
  const up = { token_id: 7, token: "<b> up\n", value: 1.25 };
  const rest = { variant: "of all", histogram: { heights: [1, 2], low: -1, high: 2 }, mean: 0, std: 1 };
  const suppressed = [{ token_id: 8, token: " down", value: -0.5 }];
  await show({ logit_effects: { promoted: [up], suppressed, ...rest, skew: 0, kurtosis: 3 } });
  const logits = within(screen.getByRole("region", { name: "Makes likelier, less likely" }));
  expect(logits.getByRole("list", { name: "Makes likelier" }).textContent).toBe("<b> up⏎+1.25");
  expect(logits.getByRole("list", { name: "Makes less likely" }).textContent).toBe(" down−0.50");
  expect(logits.getByRole("img").getAttribute("aria-label")).toBe(
    "Effects on 3 tokens of the vocabulary, from −1.00 to +2.00",
  );
});

test("a token has its share of the firings, how often it makes the feature fire, and how strongly", async () => {
  await show({ tokens: [WORD], token_spread: SPREAD });
  const table = within(screen.getByRole("region", { name: "Fires on" }));
  const cells = table.getAllByRole("row")[1]?.querySelectorAll("th, td") ?? [];
  expect([...cells].map((cell) => cell.textContent)).toEqual([WORD.token, "", "50 %", "25 % of 84", "2.50"]);
});

test("what the table of tokens leaves out is said", async () => {
  await show({ tokens: [WORD], token_spread: SPREAD });
  expect(screen.getByText("11 other tokens, 50 %")).toBeTruthy();
});

test("a table of tokens from a part of the chunks says of how many", async () => {
  await show({ tokens: [WORD], token_spread: { ...SPREAD, chunks: 3, of: 7 } });
  expect(screen.getByText("from 3 of 7 chunks so far")).toBeTruthy();
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
  await show({}, { whole: true });
  const lastToken = () => screen.getAllByRole("group", { name: /^Row/ }).at(-1)?.lastElementChild?.textContent;
  expect(lastToken()).toBe("⏎");
  await show({}, { whole: true, newlines: true });
  expect(lastToken()).toBe("⏎\n");
});

test("a text is named by its row and by what fires in it", async () => {
  await show({}, { shown: "strongest" });
  expect(screen.getAllByRole("group", { name: /^Row/ })[0]?.getAttribute("aria-label")).toBe(
    "Row 77: “<b>rises</b>” 3.06, “Profit” 0.50",
  );
});

test("a row's number leads to the row, at the text's strongest token", async () => {
  await show({}, { shown: "strongest" });
  // the marker before the window isn't one of the row's tokens
  expect(screen.getAllByRole("link", { name: "row 77" })[0]?.getAttribute("href")).toBe(
    "/prompts/77?run=20261123-101500_run-001&token=1",
  );
});

test("the variance is around the mean", async () => {
  await show({ mean_act: 0.5, mean_act_squared: 0.75 });
  const term = within(screen.getByLabelText("Statistics")).getByRole("button", { name: "variance", hidden: true });
  expect(term.closest("dt")?.nextElementSibling?.textContent).toBe("0.5000");
});

test("how examples are shown is in the address, which isn't a step of the history each time", async () => {
  const user = open(api, "/feature/3?metric=beta");
  const before = window.history.length;
  await user.click(await screen.findByRole("tab", { name: "Random" }));
  await user.click(screen.getByLabelText("whole text"));
  await user.click(screen.getByLabelText("show newlines"));
  expect(address()).toBe("/feature/3?metric=beta&newlines=1&show=random&texts=whole");
  expect(window.history.length).toBe(before);
});

test("an address that asks for whole texts and newlines gets them", async () => {
  open(api, "/feature/3?show=strongest&texts=whole&newlines=1");
  const top = within(await screen.findByRole("region", { name: "Top activations" }));
  expect(top.getAllByRole("listitem")).toHaveLength(8);
  expect(screen.getByLabelText<HTMLInputElement>("show newlines").checked).toBe(true);
});
