/** Pages of features while a run is going. */

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
  vi.stubGlobal("EventSource", FakeEventSource);
});

afterEach(() => {
  api.close();
});

const at = (numRecords: number): Run => ({
  ...LIVE_RUN,
  progress: { ...(LIVE_RUN.progress as NonNullable<Run["progress"]>), num_records: numRecords },
});
const banner = async () => within(await screen.findByRole("region", { name: "Live run" }));

test("the start page has the newest run's progress above the features of the newest finished one", async () => {
  api.runs = [LIVE_RUN, RUN];
  const user = open(api, "/");
  const live = await banner();
  expect(live.getByRole("progressbar").getAttribute("aria-valuenow")).toBe("300");
  expect(live.queryByText(/live:/)).toBeNull();
  await user.click(live.getByRole("link", { name: "its features so far" }));
  expect(await screen.findByText("live: 300 rows so far")).toBeTruthy();
  expect(address()).toBe(`/?run=${LIVE_RUN.id}`);
});

test("the figures of a live run are refreshed where one is", async () => {
  api.runs = [LIVE_RUN];
  open(api, "/?metric=beta&offset=50");
  await screen.findByText("live: 300 rows so far");
  const link = await screen.findByRole("link", { name: "60" });
  link.focus();
  api.runs = [at(400)];
  await screen.findByText("live: 400 rows so far", {}, { timeout: 8000 });
  expect(document.activeElement).toBe(link);
  expect(address()).toBe("/?metric=beta&offset=50");
}, 10_000);

test("a live feature's texts have no counts, and which are shown stays so", async () => {
  api.runs = [LIVE_RUN];
  const user = open(api, "/feature/3");
  await user.click(await screen.findByRole("tab", { name: "Strongest" }));
  const top = within(screen.getByRole("region", { name: "Top activations" }));
  expect(top.queryByText(/×/)).toBeNull();
  api.runs = [at(500)];
  await screen.findByText("live: 500 rows so far", {}, { timeout: 8000 });
  expect(top.getAllByRole("listitem")).toHaveLength(8);
}, 10_000);

test("when the run ends, the final figures replace the live ones", async () => {
  api.runs = [LIVE_RUN];
  open(api, "/feature/3?show=strongest");
  await screen.findByText("live: 300 rows so far");
  const finished = { ...RUN, id: LIVE_RUN.id };
  api.runs = [finished];
  FakeEventSource.current[0]?.send("end", finished);
  expect(await screen.findAllByText("×4", {}, { timeout: 8000 })).toHaveLength(8);
  expect(screen.queryByRole("region", { name: "Live run" })).toBeNull();
}, 10_000);

test("a run with nothing to show yet says so, with its progress", async () => {
  api.runs = [at(0)];
  open(api, "/");
  expect(await screen.findByText("No features yet")).toBeTruthy();
  expect((await banner()).getByRole("progressbar").getAttribute("aria-valuenow")).toBe("0");
});

test("where nothing matches in a live run something may still come", async () => {
  api.runs = [LIVE_RUN];
  open(api, "/?min_count=500");
  expect(await screen.findByText("No feature matches so far")).toBeTruthy();
});

test("without runs the page leads to the form where runs can be started", async () => {
  api.runs = [];
  api.options = OPTIONS;
  const user = open(api, "/");
  await user.click(await screen.findByRole("link", { name: "Start a run" }));
  expect(await screen.findByRole("form", { name: "New run" })).toBeTruthy();
});
