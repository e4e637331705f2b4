import { expect, test } from "vitest";

import { pinned, withoutEmbed } from "./embedded";

test("a pinned address names the run that is shown, if it doesn't already", () => {
  expect(pinned("http://here/feature/3?metric=std", "r1")).toBe("http://here/feature/3?metric=std&run=r1");
  expect(pinned("http://here/feature/3?run=r0", "r1")).toBe("http://here/feature/3?run=r0");
  expect(pinned("http://here/compare?a=r0&b=r1", "r1")).toBe("http://here/compare?a=r0&b=r1");
  expect(pinned("http://here/runs", null)).toBe("http://here/runs");
});

test("an address that is passed on asks for the whole page", () => {
  expect(withoutEmbed("http://here/feature/3?embed=1&run=r0")).toBe("http://here/feature/3?run=r0");
  expect(pinned("http://here/?embed=1", "r1")).toBe("http://here/?run=r1");
});
