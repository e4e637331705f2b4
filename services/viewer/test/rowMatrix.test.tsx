/** The values in a row's matrix, over a real HTTP server, with and without saved activations. */

import { screen, waitFor, within } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { type FakeApi, startFakeApi } from "./fakeApi";
import { FakeEventSource } from "./fakeEvents";
import { open } from "./open";

let api: FakeApi;

beforeEach(async () => {
  api = await startFakeApi();
  vi.stubGlobal("EventSource", FakeEventSource);
});

afterEach(() => {
  api.close();
});

const selectedToken = () => within(screen.getByRole("region", { name: "Selected token" }));
const FIRINGS = {
  first: 0,
  marker: [],
  tokens: [[4], [3, 5, 9], [5], []],
  sort: "first",
  offset: 0,
  limit: 40,
  num_features: 1,
  features: [{ feature_id: 5, max_activation: 8, density: 0.1, tokens: [] }],
};
const cellsOf = (feature: number) =>
  Array.from(document.querySelectorAll(`tr[data-feature="${feature}"] td[data-place]`), (cell) => cell.textContent);

test("a run that saved its activations shows them of every feature, with its share and at the selected token", async () => {
  const [other] = FIRINGS.features;
  api.firings = {
    ...FIRINGS,
    marker_values: [],
    values: [[1.125], [4.5, 2, 2.25], [4], []],
    features: other ? [{ ...other, activation: 4, token: 2 }] : [],
  };
  open(api, "/prompts/1?token=1");
  await waitFor(() => {
    expect(cellsOf(5)).toEqual(["", "2.0", "4.0", ""]);
  });
  expect(document.querySelector('tr[data-feature="5"]')?.textContent).toContain("50 %");
  expect(document.body.textContent).toContain("4 features fire in this row. Numbers are activations.");
  expect(document.body.textContent).not.toContain("isn’t kept");
  expect(selectedToken().getByText(/^1 other feature fires here:/)).toBeTruthy();
  expect(selectedToken().getByRole("link", { name: "feature 5" }).parentElement?.textContent).toBe("feature 52.000");
});

test("a run that keeps only what fires says that how strongly isn't kept", async () => {
  api.firings = FIRINGS;
  open(api, "/prompts/1?token=1");
  await waitFor(() => {
    expect(cellsOf(5)).toEqual(["", "●", "●", ""]);
  });
  expect(document.body.textContent).toContain("● says that a feature fires too, how strongly isn’t kept.");
  expect(selectedToken().getByText(/1 other feature fires here, how strongly isn’t kept:/)).toBeTruthy();
});
