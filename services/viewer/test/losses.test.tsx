/** What a run could not use, and failed chunks tried again, on the pages over a real HTTP server. */

import { screen, waitFor, within } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import type { FailedChunk, Run } from "../src/apiTypes";
import { type FakeApi, OPTIONS, RUN, startFakeApi } from "./fakeApi";
import { FakeEventSource } from "./fakeEvents";
import { open } from "./open";

let api: FakeApi;

beforeEach(async () => {
  api = await startFakeApi();
  FakeEventSource.all = [];
  vi.stubGlobal("EventSource", FakeEventSource);
});

afterEach(() => {
  api.close();
});

const FAILED: Run = {
  ...RUN,
  status: "completed_with_errors",
  num_skipped_rows: 7,
  skipped_rows: { "no text": 5, "not decodable": 2 },
  failed_chunks: [{ chunk: 3, first_row: 3000, last_row: 3999, num_rows: 1000, error: "The worker died three times." }],
  retry_from: 3,
  can: { ...RUN.can, retry: true },
};

test("failed chunks are listed with rows and error, skipped rows with their reasons", async () => {
  api.runs = [FAILED];
  open(api, `/runs/${RUN.id}`);
  const failed = within(await screen.findByRole("region", { name: "1 failed chunk" }));
  expect(failed.getByText("chunk 3: rows 3,000 to 3,999")).toBeTruthy();
  expect(failed.getByText("The worker died three times.")).toBeTruthy();
  const skipped = within(screen.getByRole("region", { name: "7 skipped rows" }));
  expect(skipped.getAllByRole("listitem").map((item) => item.textContent)).toEqual(["5no text", "2not decodable"]);
});

test("warnings are on the run's page and on that of its features, notes on its rows on the run's", async () => {
  const warning = "200 of 1,000 rows, 20%, were skipped, and the statistics are of the others alone: no text (200)";
  api.runs = [{ ...RUN, warnings: [warning], noted_rows: { "only a number": 4 } }];
  open(api, `/runs/${RUN.id}`);
  const warnings = within(await screen.findByRole("region", { name: "1 warning" }));
  expect(warnings.getByText(warning)).toBeTruthy();
  const noted = within(screen.getByRole("region", { name: "Noticed in rows that were used" }));
  expect(noted.getByRole("listitem").textContent).toBe("4only a number");
  open(api, `/?run=${RUN.id}`);
  expect(await screen.findByText(`Warning: ${warning}`)).toBeTruthy();
});

test("failed chunks are tried again, and it is said what is computed again", async () => {
  api.runs = [FAILED];
  api.options = OPTIONS;
  const user = open(api, `/runs/${RUN.id}`);
  const actions = within(await screen.findByRole("region", { name: "Actions" }));
  const what = "chunk 3 and all after it are computed again; what came before was kept.";
  expect(actions.getByText(`If failed chunks are tried again, ${what}`)).toBeTruthy();
  await user.click(actions.getByRole("button", { name: "Try failed chunks again" }));
  expect(await actions.findByText(`Failed chunks are tried again: ${what}`)).toBeTruthy();
  expect(api.writes.map(({ call }) => call)).toEqual([`POST /api/runs/${RUN.id}/retry`]);
  expect(screen.queryByRole("button", { name: "Try failed chunks again" })).toBeNull();
  expect(screen.getByText("They had failed, and are tried again.")).toBeTruthy();
});

test("figures from before failed chunks were tried again aren't shown when that is over", async () => {
  api.runs = [FAILED];
  api.options = OPTIONS;
  const user = open(api, `/?run=${RUN.id}`);
  await user.click(await screen.findByRole("link", { name: "More about this run" }));
  await user.click(await screen.findByRole("button", { name: "Try failed chunks again" }));
  await screen.findByText(/^Failed chunks are tried again/);
  FakeEventSource.current[0]?.send("end", RUN);
  await screen.findByText("complete");
  api.requests = [];
  history.back();
  await waitFor(() => {
    expect(api.requests.filter((request) => request.startsWith("/api/features"))).not.toEqual([]);
  });
});

test("where runs can only be looked at the command for failed chunks is named", async () => {
  api.runs = [{ ...FAILED, retry_from: null, can: { cancel: false, resume: false, retry: false, delete: false } }];
  open(api, `/runs/${RUN.id}`);
  expect(await screen.findByText(`saescope run --retry-failed ${RUN.id}`)).toBeTruthy();
});

test("features of a run with failed chunks name these with the reason", async () => {
  const [chunk] = FAILED.failed_chunks;
  api.runs = [
    { ...FAILED, failed_chunks: [3, 4, 5, 6].map((number) => ({ ...chunk, chunk: number })) as FailedChunk[] },
  ];
  open(api, `/?run=${RUN.id}`);
  const failed = within(await screen.findByRole("list", { name: "Failed chunks" }));
  expect(failed.getAllByRole("listitem").map((item) => item.textContent)).toEqual([
    "chunk 3: rows 3,000 to 3,999 are missing: The worker died three times.",
    "chunk 4: rows 3,000 to 3,999 are missing: The worker died three times.",
    "chunk 5: rows 3,000 to 3,999 are missing: The worker died three times.",
    "and 1 more chunk",
  ]);
});
