import { expect, test } from "vitest";

import type { Option } from "../apiTypes";
import { groupOptions, newRunPath, readFormValues, requestBody } from "./runForm";

const OPTIONS: Record<string, Option> = {
  seed: { default: 0, description: "", type: "integer" },
  source: { default: "a.csv", description: "", type: "string" },
  max_rows: { default: null, description: "", type: "integer" },
};

test("a new option appears by itself, among the further ones", () => {
  expect(groupOptions(OPTIONS)).toEqual({ main: ["source", "max_rows"], more: ["seed"] });
});

test.each([
  [{ max_rows: " 500 " }, { max_rows: 500 }],
  [{ max_rows: "" }, {}],
  [{ max_rows: "many" }, { max_rows: "many" }],
  [{ seed: "9007199254740993" }, { seed: "9007199254740993" }],
  [{ source: "2024" }, { source: "2024" }],
  [{ utm_source: "elsewhere" }, {}],
])("typed %o is sent as %o", (values, body) => {
  expect(requestBody(values, OPTIONS)).toEqual(body);
});

test("a form's address fills it in as the run was, without its name", () => {
  const path = newRunPath({ source: "news & more.csv", max_rows: null, seed: 0, name: "mine" }, OPTIONS);
  expect(readFormValues(path.slice("/runs/new".length))).toEqual({ source: "news & more.csv" });
});
