/** The pages of runs over a real HTTP server, as a person uses them. */

import { screen, within } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import type { Run } from "../src/apiTypes";
import { type FakeApi, LIVE_RUN, OPTIONS, RUN, startFakeApi } from "./fakeApi";
import { FakeEventSource } from "./fakeEvents";
import { address, open } from "./open";

let api: FakeApi;

beforeEach(async () => {
  api = await startFakeApi();
  FakeEventSource.all = [];
  sessionStorage.clear();
  vi.stubGlobal("EventSource", FakeEventSource);
});

afterEach(() => {
  api.close();
});

const withProgress = (progress: Partial<NonNullable<Run["progress"]>>): Run => ({
  ...LIVE_RUN,
  progress: { ...(LIVE_RUN.progress as NonNullable<Run["progress"]>), ...progress },
});

test("the list leads to each run and shows its status, dataset, model and tokens", async () => {
  api.runs = [LIVE_RUN, RUN];
  const user = open(api, "/runs");
  const row = within(await screen.findByRole("row", { name: /run-001/ }));
  expect(row.getByText("complete")).toBeTruthy();
  expect(row.getByRole("cell", { name: "34,567" })).toBeTruthy();
  expect(row.getByRole("cell", { name: "gpt2 layer 6, resid_post_mlp" })).toBeTruthy();
  expect(screen.getByRole("progressbar").getAttribute("aria-valuenow")).toBe("300");
  await user.click(row.getByRole("link"));
  expect(await screen.findByRole("heading", { name: new RegExp(RUN.id) })).toBeTruthy();
  expect(address()).toBe(`/runs/${RUN.id}`);
});

test("the keyboard goes through the list and opens a run", async () => {
  api.runs = [LIVE_RUN, RUN];
  const user = open(api, "/runs");
  await screen.findByRole("link", { name: new RegExp(RUN.id) });
  await user.keyboard("j{ArrowDown}{Enter}");
  expect(await screen.findByRole("heading", { name: new RegExp(RUN.id) })).toBeTruthy();
});

test("a queued run, of which nothing is known yet, is described by its options", async () => {
  const unknown = { source: null, subject: null, autoencoder: null, layer_index: null, location: null };
  const queued: Run = { ...LIVE_RUN, ...unknown, status: "queued", num_features: null, started_at: null };
  api.runs = [{ ...queued, num_prompts: 0, num_tokens: 0, num_active_features: 0, progress: null }];
  open(api, `/runs/${LIVE_RUN.id}`);
  expect(await screen.findByText("queued")).toBeTruthy();
  expect(screen.getByText("headlines.csv", { selector: "section > dl dd" })).toBeTruthy();
  expect(screen.getByText("gpt2, layer 6, –")).toBeTruthy();
});

test("a run's page shows how far it is, how fast it goes and that the total is an estimate", async () => {
  api.runs = [LIVE_RUN];
  open(api, `/runs/${LIVE_RUN.id}`);
  const bar = await screen.findByRole("progressbar", { name: `Progress of run ${LIVE_RUN.id}` });
  expect([bar.getAttribute("aria-valuenow"), bar.getAttribute("aria-valuemax")]).toEqual(["300", "1200"]);
  for (const figure of ["300 of about 1,200 rows (25 %)", "812 tokens/s", "3 workers", "about 2 min left"]) {
    expect(screen.getByText(figure)).toBeTruthy();
  }
});

test("while the number of rows isn't known the bar claims no value", async () => {
  api.runs = [withProgress({ total_records: null })];
  open(api, `/runs/${LIVE_RUN.id}`);
  expect((await screen.findByRole("progressbar")).hasAttribute("aria-valuenow")).toBe(false);
});

test("events move the bar, and the last one ends the stream", async () => {
  api.runs = [LIVE_RUN];
  open(api, `/runs/${LIVE_RUN.id}`);
  await screen.findByText("300 of about 1,200 rows (25 %)");
  const [events] = FakeEventSource.current;
  expect(events?.url).toBe(`/api/runs/${LIVE_RUN.id}/events`);
  events?.open();
  events?.send("progress", withProgress({ num_records: 600, total_is_exact: true }));
  await screen.findByText("600 of 1,200 rows (50 %)");
  events?.send("end", { ...RUN, id: LIVE_RUN.id });
  expect(await screen.findByText("complete")).toBeTruthy();
  expect(screen.queryByRole("progressbar")).toBeNull();
  expect(FakeEventSource.current).toEqual([]);
});

test("without events the run is asked for instead", async () => {
  api.runs = [LIVE_RUN];
  open(api, `/runs/${LIVE_RUN.id}`);
  await screen.findByText("300 of about 1,200 rows (25 %)");
  FakeEventSource.current[0]?.refuse();
  api.runs = [withProgress({ num_records: 900 })];
  expect(await screen.findByText("900 of about 1,200 rows (75 %)", {}, { timeout: 8000 })).toBeTruthy();
}, 10_000);

test("a hidden tab gives its stream back and opens it again when it is looked at", async () => {
  api.runs = [LIVE_RUN];
  open(api, `/runs/${LIVE_RUN.id}`);
  await screen.findByRole("progressbar");
  const visibility = vi.spyOn(document, "visibilityState", "get").mockReturnValue("hidden");
  document.dispatchEvent(new Event("visibilitychange"));
  expect(FakeEventSource.current).toEqual([]);
  visibility.mockRestore();
  document.dispatchEvent(new Event("visibilitychange"));
  expect(FakeEventSource.current).toHaveLength(1);
});

test("trouble of the services is an alert in their words", async () => {
  api.runs = [withProgress({ problem: "The store doesn't answer." })];
  open(api, `/runs/${LIVE_RUN.id}`);
  await screen.findByRole("progressbar");
  expect(screen.getAllByRole("alert").map((alert) => alert.textContent)).toContain("The store doesn't answer.");
});

test("a run that isn't there is an error in the API's words", async () => {
  open(api, "/runs/nothing");
  expect((await screen.findByRole("alert")).textContent).toContain("There is no run 'nothing'.");
});

test("a cancelled run can be resumed", async () => {
  api.runs = [LIVE_RUN];
  api.options = OPTIONS;
  const user = open(api, `/runs/${LIVE_RUN.id}`);
  await user.click(await screen.findByRole("button", { name: "Cancel run" }));
  await user.click(await screen.findByRole("button", { name: "Resume run" }));
  expect(await screen.findByText("queued")).toBeTruthy();
  expect(api.writes.map(({ call }) => call)).toEqual([
    `POST /api/runs/${LIVE_RUN.id}/cancel`,
    `POST /api/runs/${LIVE_RUN.id}/resume`,
  ]);
});

test("the list says what keeps a run from going on", async () => {
  api.runs = [withProgress({ problem: "no aggregator is running" }), RUN];
  open(api, "/runs");
  const row = within(await screen.findByRole("row", { name: new RegExp(LIVE_RUN.id) }));
  expect(row.getByText("no aggregator is running")).toBeTruthy();
});

test("a refusal is shown beside the actions", async () => {
  api.runs = [LIVE_RUN];
  api.options = OPTIONS;
  api.refusal = { status: 409, error: "The run is already complete." };
  const user = open(api, `/runs/${LIVE_RUN.id}`);
  await user.click(await screen.findByRole("button", { name: "Cancel run" }));
  expect(await within(screen.getByRole("region", { name: "Actions" })).findByRole("alert")).toHaveProperty(
    "textContent",
    "The run is already complete.",
  );
});

test("a run is deleted only after it was confirmed", async () => {
  api.options = OPTIONS;
  const user = open(api, `/runs/${RUN.id}`);
  await user.click(await screen.findByRole("button", { name: "Delete run…" }));
  expect(document.activeElement?.textContent).toBe("Keep it");
  await user.keyboard("{Escape}");
  expect(api.writes).toEqual([]);
  expect(document.activeElement?.textContent).toBe("Delete run…");
  await user.click(screen.getByRole("button", { name: "Delete run…" }));
  await user.click(screen.getByRole("button", { name: "Delete for good" }));
  expect(await screen.findByText("There are no runs yet")).toBeTruthy();
  expect(api.writes.map(({ call }) => call)).toEqual([`DELETE /api/runs/${RUN.id}`]);
  expect(address()).toBe("/runs");
});

test.each([
  ["an API without options", null],
  ["an API on a folder", { ...OPTIONS, can_start: false }],
])("%s offers no actions and says why", async (_, options) => {
  api.runs = [LIVE_RUN];
  api.options = options;
  open(api, `/runs/${LIVE_RUN.id}`);
  expect(await screen.findByText(/no services stand behind this API/)).toBeTruthy();
  expect(screen.queryByRole("region", { name: "Actions" })).toBeNull();
});

test("only what was filled in is sent to start a run, numbers as numbers, and its page opens", async () => {
  api.options = OPTIONS;
  const user = open(api, "/runs/new");
  await user.type(await screen.findByRole("combobox", { name: "source" }), "news/headlines.csv");
  await user.type(screen.getByRole("textbox", { name: "max rows" }), "500");
  await user.click(screen.getByText("More options"));
  await user.selectOptions(screen.getByRole("combobox", { name: "bos" }), "none");
  await user.click(screen.getByRole("button", { name: "Start the run" }));
  expect(await screen.findByRole("heading", { name: new RegExp(LIVE_RUN.id) })).toBeTruthy();
  const body = { source: "news/headlines.csv", max_rows: 500, bos: "none" };
  expect(api.writes).toEqual([{ call: "POST /api/runs", body, token: undefined }]);
});

test("the data folder's files are suggested for the source, and defaults are shown", async () => {
  api.options = OPTIONS;
  open(api, "/runs/new");
  const source = await screen.findByRole("combobox", { name: "source" });
  const files = Array.from((source as HTMLInputElement).list?.options ?? [], (option) => option.value);
  expect(files).toEqual(["news/headlines.csv", "rows.txt"]);
  expect(source.getAttribute("placeholder")).toBe("kaggle:owner/name");
});

test("a wrong field's error stands at the field, which gets the focus", async () => {
  api.options = OPTIONS;
  api.refusal = { status: 400, error: "layer must be at most 11.", field: "layer" };
  const user = open(api, "/runs/new?layer=99");
  const layer = await screen.findByRole("textbox", { name: "layer" });
  await user.click(screen.getByRole("button", { name: "Start the run" }));
  const alert = await screen.findByText("layer must be at most 11.");
  expect(layer.getAttribute("aria-describedby")?.split(" ")).toContain(alert.id);
  expect(layer.getAttribute("aria-invalid")).toBe("true");
  expect(document.activeElement).toBe(layer);
});

test("a run like another starts from its options that aren't the defaults", async () => {
  api.options = OPTIONS;
  const user = open(api, `/runs/${RUN.id}`);
  await user.click(await screen.findByRole("link", { name: "Start one like this" }));
  expect((await screen.findByRole("combobox", { name: "source" })).getAttribute("value")).toBe("headlines.csv");
  expect(address()).toContain("max_rows=1200");
  expect(address()).not.toContain("layer=");
});

test("the token is sent with writes and kept in the tab's session only", async () => {
  api.options = { ...OPTIONS, needs_token: true };
  const user = open(api, "/runs/new");
  await user.type(await screen.findByLabelText("Access token"), "s3cret");
  await user.click(screen.getByRole("button", { name: "Start the run" }));
  await screen.findByRole("heading", { name: new RegExp(LIVE_RUN.id) });
  expect(api.writes[0]?.token).toBe("Bearer s3cret");
  expect(sessionStorage.getItem("saescope-token")).toBe("s3cret");
  expect(localStorage).toHaveLength(0);
  expect(document.cookie).toBe("");
});
