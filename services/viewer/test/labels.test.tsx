/** Labels, stars and notes on a feature's page, over a real HTTP server. */

import { screen, waitFor } from "@testing-library/react";
import { afterEach, beforeEach, expect, test } from "vitest";

import { type FakeApi, startFakeApi } from "./fakeApi";
import { labelOf } from "./fakeLabels";
import { open } from "./open";

let api: FakeApi;

beforeEach(async () => {
  api = await startFakeApi();
});

afterEach(() => {
  api.close();
  sessionStorage.clear();
});

const star = () => screen.findByRole("button", { name: "Star" });
const isStarred = async () => (await star()).getAttribute("aria-pressed") === "true";

test("s stars a feature, and takes the star away", async () => {
  const user = open(api, "/feature/3");
  await star();
  await user.keyboard("s");
  await waitFor(async () => {
    expect(await isStarred()).toBe(true);
  });
  expect(api.writes.at(-1)).toMatchObject({ call: "PUT /api/labels/3", body: { starred: true } });
  await user.keyboard("s");
  await waitFor(async () => {
    expect(await isStarred()).toBe(false);
  });
});

test("a label is written where it stands; only what was changed is sent", async () => {
  api.labels = [labelOf(3, { note: "see row 8", updated_at: "2026-01-01T00:00:00.000000+00:00" })];
  const user = open(api, "/feature/3");
  await star();
  await user.keyboard("l");
  await user.type(screen.getByRole("textbox", { name: "Label" }), "dates{Enter}");
  expect((await screen.findByTestId("label")).textContent).toBe("dates");
  expect(api.writes.at(-1)?.body).toEqual({ label: "dates", if_updated_at: "2026-01-01T00:00:00.000000+00:00" });
  expect(screen.getByTestId("note").textContent).toBe("see row 8");
});

test("Escape leaves a label as it was", async () => {
  const user = open(api, "/feature/3");
  await user.click(await screen.findByRole("button", { name: "add a label" }));
  await user.type(screen.getByRole("textbox", { name: "Label" }), "dates{Escape}");
  expect(screen.queryByRole("textbox", { name: "Label" })).toBeNull();
  expect(api.writes).toEqual([]);
});

test.each([
  ["Keep yours", "mine"],
  ["Take theirs", "theirs"],
])("of two who write at once, “%s” holds", async (choice, held) => {
  const theirs = labelOf(3, { label: "theirs", updated_at: "2026-01-02T00:00:00.000000+00:00" });
  const user = open(api, "/feature/3");
  await star();
  await user.keyboard("l");
  api.refusal = { status: 409, error: "somebody changed it", label: theirs };
  await user.type(screen.getByRole("textbox", { name: "Label" }), "mine{Enter}");
  const alert = await screen.findByRole("alert");
  expect(alert.textContent).toBe("Somebody changed this meanwhile: label “theirs”, note none.");
  api.refusal = null;
  await user.click(screen.getByRole("button", { name: choice }));
  expect((await screen.findByTestId("label")).textContent).toBe(held);
  if (choice === "Keep yours") {
    expect(api.writes.at(-1)?.body).toEqual({ label: "mine", if_updated_at: theirs.updated_at });
  }
});

test("who may not write is told so, and can give the token", async () => {
  const user = open(api, "/feature/3");
  await star();
  await user.keyboard("l");
  api.refusal = { status: 401, error: "this needs the API's token" };
  await user.type(screen.getByRole("textbox", { name: "Label" }), "dates{Enter}");
  expect((await screen.findByRole("alert")).textContent).toContain("changing labels here needs the API’s token");
  await user.type(screen.getByLabelText("Access token"), "secret");
  api.refusal = null;
  await user.click(screen.getByRole("button", { name: "Save" }));
  expect((await screen.findByTestId("label")).textContent).toBe("dates");
  expect(api.writes.at(-1)?.token).toBe("Bearer secret");
});

test("a star that can't be kept says why", async () => {
  const user = open(api, "/feature/3");
  await star();
  api.refusal = { status: 503, error: "can't write labels: Permission denied" };
  await user.keyboard("s");
  expect((await screen.findByRole("alert")).textContent).toBe("Not saved: can't write labels: Permission denied");
  expect(await isStarred()).toBe(false);
});

test("what is unseen in a label is drawn by what it is", async () => {
  api.labels = [labelOf(3, { label: "a\u202eb\u0000<i>" })];
  open(api, "/feature/3");
  expect((await screen.findByTestId("label")).textContent).toBe("aU+202Eb␀<i>");
});

async function chooseFile(content: string | Uint8Array<ArrayBuffer>) {
  const user = open(api, "/?labelled=1");
  const field = await screen.findByLabelText<HTMLInputElement>("Bring in labels from JSON Lines…");
  await user.upload(field, new File([content], "labels.jsonl"));
  return user;
}

test("labels out of a file are taken over only when it was said what would become of them", async () => {
  const user = await chooseFile('{"feature_id": 3, "label": "dates"}\n');
  const plan = await screen.findByText(/1 feature would get what it says, 4 have it already, 1 line would be left out/);
  expect(plan.textContent).toMatch(/^labels.jsonl/);
  expect(screen.getByText("line 2: feature 5 has another label already")).toBeDefined();
  expect(api.labels).toEqual([]);
  await user.click(screen.getByRole("button", { name: "Take over 1" }));
  expect(await screen.findByText("1 label from labels.jsonl taken over.")).toBeDefined();
  expect(api.writes.at(-1)).toMatchObject({
    call: "POST /api/labels/import",
    body: '{"feature_id": 3, "label": "dates"}\n',
  });
  expect(api.labels).toHaveLength(1);
});

test("what replacing would do is said before, too", async () => {
  const user = await chooseFile("{}");
  await user.click(await screen.findByRole("checkbox", { name: "replace what is said already" }));
  expect(await screen.findByText(/2 features would get what it says/)).toBeDefined();
  expect(api.labels).toEqual([]);
});

test("a file that is no text is said to be none, and nothing is sent", async () => {
  await chooseFile(Uint8Array.of(0xff, 0xfe));
  expect((await screen.findByRole("alert")).textContent).toContain("labels.jsonl can’t be read as text");
  expect(api.writes).toEqual([]);
});
