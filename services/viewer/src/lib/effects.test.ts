import { expect, test } from "vitest";

import { describeFeature, TOP_TEXT } from "../../test/fakeFeatures";
import { EFFECTS } from "../../test/fakeModels";
import { describeEffect, effectOn, effectTexts, formatNats, scaleOf, summary } from "./effects";

const [effects] = EFFECTS.examples;
if (effects === undefined) throw new Error("no example");
const of = { text: TOP_TEXT, effects };

test("an entry of the answer is about the prediction of the token after it", () => {
  expect(effectOn(effects, 3)).toMatchObject({ loss: 0.42, direct: -0.07, kl: 0.031 });
  expect(effectOn(effects, 3)?.pushed?.up_logits.tokens).toEqual([" high", " low"]);
});

test("nothing is said of tokens that are predicted before the activation, nor of those beyond the window", () => {
  expect([0, 1, 2, 4].map((token) => effectOn(effects, token))).toEqual([null, null, null, null]);
});

test("effects are shown with the text that they are of, and left out without one", () => {
  const info = describeFeature(3, "run", {});
  expect(effectTexts(info, [effects, { ...effects, row_id: 5000 }]).map(({ text }) => text.row_id)).toEqual([77]);
});

test("the sign is said in words", () => {
  expect(describeEffect({ loss: 0.42 })).toBe("predicted worse without it, by 0.42 nats");
  expect(describeEffect({ loss: -0.05 })).toBe("predicted better without it, by 0.050 nats");
  expect(describeEffect({ loss: -0.0001 })).toBe("predicted the same without it");
});

test("small effects keep two digits", () => {
  expect([0.00123, 0.0456, 1.2345].map(formatNats)).toEqual(["0.0012 nats", "0.046 nats", "1.23 nats"]);
});

test("weak effects alone don't get the full colour", () => {
  const weak = { ...effects, loss_change: [0, 0, 0.02] };
  expect(scaleOf([{ text: TOP_TEXT, effects: weak }], "loss")).toBe(0.1);
  expect(scaleOf([of], "loss")).toBe(0.42);
  expect(scaleOf([], "kl")).toBe(0.1);
});

test("a text's name says its largest effects", () => {
  expect(summary(of)).toBe("Row 77, ablated at “<b>rises</b>”: “” predicted worse without it, by 0.42 nats");
  expect(summary({ text: TOP_TEXT, effects: { ...effects, loss_change: [0, 0, 0] } })).toBe(
    "Row 77, ablated at “<b>rises</b>”: nothing changes much",
  );
});
