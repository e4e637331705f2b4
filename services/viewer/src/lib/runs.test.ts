import { expect, test } from "vitest";

import type { Progress } from "../apiTypes";
import { describeRetry, describeRows, describeTimeLeft, shareDone } from "./runStatus";

const PROGRESS: Progress = {
  num_records: 1500,
  total_records: 1200,
  total_is_exact: false,
  num_tokens: 0,
  tokens_per_s: null,
  workers: null,
  seconds_left: null,
  num_failed_chunks: 0,
  problem: null,
};

test("an estimate that turned out too small is a full bar, not more than one", () => {
  expect(shareDone(PROGRESS)).toBe(1);
});

test.each([
  [{ total_records: 5000 }, "1,500 of about 5,000 rows"],
  [{ total_records: 5000, total_is_exact: true }, "1,500 of 5,000 rows"],
  [{ total_records: null }, "1,500 rows, of a number not known yet"],
])("rows with %o are described as %s", (known, text) => {
  expect(describeRows({ ...PROGRESS, ...known })).toBe(text);
});

test("an unknown time left is not shown", () => {
  expect(describeTimeLeft(PROGRESS)).toBeNull();
});

test.each([
  [null, null],
  [
    0,
    "Failed chunks are tried again: everything is computed again, as nothing was kept from before the failed chunks.",
  ],
  [4, "Failed chunks are tried again: chunk 4 and all after it are computed again; what came before was kept."],
])("a run that is tried again from chunk %o is described as %s", (retryFrom, text) => {
  expect(describeRetry({ status: "running", retry_from: retryFrom })).toBe(text);
});
