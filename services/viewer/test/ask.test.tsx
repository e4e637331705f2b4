/** What a feature's page asks the model: a text, effects, steering and patterns, over a real HTTP server. */

import { screen, waitFor, within } from "@testing-library/react";
import { afterEach, beforeEach, expect, test } from "vitest";

import { type FakeApi, startFakeApi } from "./fakeApi";
import { EFFECTS, GRAPH } from "./fakeModels";
import { open } from "./open";

let api: FakeApi;

beforeEach(async () => {
  api = await startFakeApi();
  api.models = { can_ask: true, why_not: null };
});

afterEach(() => {
  api.close();
});

const region = (name: string) => screen.findByRole("region", { name });
const asked = () => api.writes.map(({ call }) => call);

test("where the models can't be asked one sentence says why, and nothing can be asked", async () => {
  api.models = { can_ask: false, why_not: "Start it with `saescope serve --models`." };
  open(api, "/feature/3");
  const ask = await region("Ask the model");
  expect(ask.textContent).toContain("Start it with saescope serve --models.");
  expect(within(ask).queryAllByRole("button")).toEqual([]);
  expect(screen.queryByRole("link", { name: "Try" })).toBeNull();
});

test("an API that knows nothing of models has nothing of it on the page", async () => {
  api.models = null;
  open(api, "/feature/3");
  await screen.findByRole("tab", { name: "By strength" });
  await waitFor(() => {
    expect(api.requests).toContain("/api/models");
  });
  expect(screen.queryByRole("region", { name: "Ask the model" })).toBeNull();
});

test("what can be asked is a step away from the top of the page", async () => {
  const user = open(api, "/feature/3");
  await user.click(await screen.findByRole("button", { name: "ask the model" }));
  expect(document.activeElement).toBe(await region("Ask the model"));
});

test("a text of one's own says where the feature fires in it, and how strongly as its activations go", async () => {
  const user = open(api, "/feature/3");
  const ask = await region("Ask the model");
  await user.type(within(ask).getByRole("textbox", { name: /text of yours/ }), "it goes up");
  await user.click(within(ask).getByRole("button", { name: "Look" }));
  expect(
    await within(ask).findByText(
      "It fires at 1 of 3 tokens, most strongly on “ up”: 3.00, stronger than 99.7 % of its activations in your data.",
    ),
  ).toBeDefined();
  expect(api.writes.at(-1)).toMatchObject({ call: "POST /api/encode", body: { text: "it goes up" } });
  expect(within(ask).getByRole("link", { name: "All features of this text" }).getAttribute("href")).toContain(
    "/try?text=it+goes+up",
  );
});

test("a text in which the feature is silent is said to be so", async () => {
  const user = open(api, "/feature/3");
  const ask = await region("Ask the model");
  await user.type(
    within(ask).getByRole("textbox", { name: /text of yours/ }),
    "nothing here{Control>}{Enter}{/Control}",
  );
  expect(await within(ask).findByText("It doesn’t fire at any of the 2 tokens.")).toBeDefined();
});

test("why the model gives no answer is said in the API's words", async () => {
  const user = open(api, "/feature/3");
  const ask = await region("Ask the model");
  api.refusal = { status: 429, error: "Too many questions: wait 7 s." };
  await user.type(within(ask).getByRole("textbox", { name: /text of yours/ }), "up");
  await user.click(within(ask).getByRole("button", { name: "Look" }));
  expect((await within(ask).findByRole("alert")).textContent).toBe("Too many questions: wait 7 s.");
});

test("effects are computed on demand, each token's prediction in words and numbers", async () => {
  const user = open(api, "/feature/3");
  const effects = await region("What it does to later predictions");
  expect(asked()).toEqual([]);
  await user.click(await within(effects).findByRole("button", { name: "Compute" }));
  const text = await within(effects).findByRole("group", { name: /predicted worse without it, by 0.42 nats/ });
  const tokens = within(effects).getByRole("list", { name: "Examples with effects" });
  const last = text.querySelector<HTMLElement>('[data-index="3"]');
  expect(last?.className).toContain("effect-helps");
  await user.hover(last as HTMLElement);
  const prediction = within(effects).getByRole("region", { name: "Prediction" });
  expect(prediction.textContent).toContain("predicted worse without it, by 0.42 nats");
  expect(prediction.textContent).toContain("direct effect alone−0.070 nats");
  expect(within(prediction).getByRole("list", { name: "Pushed up, by logits" }).textContent).toBe(
    " high+1.25 low+0.50",
  );
  expect(within(prediction).getByRole("list", { name: "Down, by probability" }).textContent).toBe(" down−25.00 pp");
  expect(tokens.querySelectorAll("[tabindex='0']")).toHaveLength(1);
});

test("effects that are kept are shown at once, without asking, also where models can't be asked", async () => {
  api.models = { can_ask: false, why_not: "Not here." };
  api.kept.effects = EFFECTS;
  open(api, "/feature/3");
  const effects = await region("What it does to later predictions");
  await within(effects).findByRole("group", { name: /predicted worse/ });
  expect(within(effects).queryByRole("button", { name: "Compute" })).toBeNull();
  expect(asked()).toEqual([]);
});

test("pieces are shown before the answer ends, and its progress is said", async () => {
  const { examples } = EFFECTS;
  api.parts = {
    parts: [{ piece: examples[0] }, { progress: { done: 1, of: 9, what: "texts looked at" } }],
    ends: false,
  };
  const user = open(api, "/feature/3");
  const effects = await region("What it does to later predictions");
  await user.click(await within(effects).findByRole("button", { name: "Compute" }));
  await within(effects).findByRole("group", { name: /predicted worse/ });
  expect((await within(effects).findByRole("progressbar")).getAttribute("aria-valuetext")).toBe(
    "texts looked at: 1 of 9",
  );
  await user.click(within(effects).getByRole("button", { name: "Stop" }));
  await waitFor(() => {
    expect(api.left).toEqual(["/api/effects"]);
  });
});

test("who leaves the page isn't answered on", async () => {
  api.parts = { parts: [{ progress: { done: 0, of: 0, what: "loading the models" } }], ends: false };
  const user = open(api, "/feature/3");
  const patterns = await region("Patterns that it fires on");
  await user.click(await within(patterns).findByRole("button", { name: "Find" }));
  await within(patterns).findByText("loading the models");
  await user.click(screen.getByRole("link", { name: "Runs" }));
  await waitFor(() => {
    expect(api.left).toEqual(["/api/graph"]);
  });
});

test("steering sends what was chosen, and shows both texts and how surprising the steered one is", async () => {
  const user = open(api, "/feature/3");
  const steering = await region("Turn it up or down");
  await user.type(within(steering).getByRole("textbox", { name: "Prompt" }), "Profit");
  await user.click(within(steering).getByRole("radio", { name: "raised by" }));
  const strength = within(steering).getByRole("spinbutton", { name: "Strength" });
  await user.clear(strength);
  await user.type(strength, "6.5");
  await user.click(within(steering).getByRole("button", { name: "Generate" }));
  expect(await within(steering).findByText(/8 times as surprising as its own/)).toBeDefined();
  expect(within(steering).getByRole("region", { name: "Without" }).textContent).toContain(" and on");
  const steered = within(steering).getByRole("region", { name: "With it raised by 6.50" });
  expect(steered.textContent).toContain(" up <b>");
  expect(api.writes.at(-1)).toMatchObject({
    call: "POST /api/steer",
    body: { feature_id: 3, prompt: "Profit", mode: "add", strength: 6.5, num_tokens: 40, temperature: 0, seed: 0 },
  });
});

test("patterns are a list within lists, with their scores in words", async () => {
  const user = open(api, "/feature/3");
  const patterns = await region("Patterns that it fires on");
  await user.click(await within(patterns).findByRole("button", { name: "Find" }));
  const picture = await within(patterns).findByRole("region", { name: "Patterns" });
  const [root] = within(picture).getAllByRole("listitem");
  expect(root?.textContent).toContain(" rises");
  expect(within(root as HTMLElement).getByText("the beginning of the text")).toBeDefined();
  expect(within(root as HTMLElement).getByText("any token")).toBeDefined();
  expect(await within(patterns).findByText("They find 62 % of its firings.")).toBeDefined();
});

test("patterns that are kept are shown at once", async () => {
  api.kept.graph = GRAPH;
  open(api, "/feature/3");
  const patterns = await region("Patterns that it fires on");
  await within(patterns).findByRole("region", { name: "Patterns" });
  expect(asked()).toEqual([]);
});
