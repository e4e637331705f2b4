/** What is shown while the API wants its token for reading. */

import { screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, test } from "vitest";

import { readToken } from "../src/lib/accessToken";
import { type FakeApi, startFakeApi } from "./fakeApi";
import { open } from "./open";

let api: FakeApi;

beforeEach(async () => {
  api = await startFakeApi();
  api.token = "s3cret";
});

afterEach(() => {
  api.close();
  sessionStorage.clear();
});

test("whoever gives the token sees the page that was asked for", async () => {
  const user = open(api, "/feature/7");
  const field = await screen.findByLabelText("Token");
  expect(screen.queryByRole("navigation", { name: "Pages" })).toBeNull();
  await user.type(field, "s3cret");
  await user.click(screen.getByRole("button", { name: "Open" }));
  expect(await screen.findByRole("heading", { name: /7/ })).toBeTruthy();
  expect(readToken()).toBe("s3cret");
});

test("a wrong token is said to be wrong and may be given again", async () => {
  const user = open(api, "/");
  await user.type(await screen.findByLabelText("Token"), "guess{Enter}");
  expect((await screen.findByRole("alert")).textContent).toBe("that isn't the API's token");
  expect(screen.getByLabelText("Token")).toBeTruthy();
  expect(readToken()).toBe("");
});
