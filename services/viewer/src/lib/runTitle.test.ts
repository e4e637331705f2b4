import { expect, test } from "vitest";

import { RUN } from "../../test/fakeApi";
import { formatCompact, formatMoment, runTitle, runTitles, visibleName } from "./runTitle";

const NOW = new Date(2026, 10, 29, 20, 0);
const at = (...parts: [number, number, number, number, number]) => new Date(...parts).toISOString();
const TODAY = { ...RUN, source: "data/headlines-1.csv", num_prompts: 20_000, created_at: at(2026, 10, 29, 18, 50) };

test("a run is told by its dataset, size and time, and by its own name first", () => {
  expect(runTitle(TODAY, NOW)).toBe("headlines-1.csv · 20k rows · today 18:50");
  expect(runTitle({ ...TODAY, name: "baseline" }, NOW)).toBe("baseline · headlines-1.csv · 20k rows · today 18:50");
  expect(runTitle({ ...TODAY, status: "interrupted" }, NOW)).toMatch(/today 18:50 · interrupted$/);
});

test("runs that would read the same say their ids too", () => {
  const again = { ...TODAY, id: "other" };
  expect([...runTitles([TODAY, again, { ...TODAY, id: "third", name: "x" }], NOW).values()]).toEqual([
    `headlines-1.csv · 20k rows · today 18:50 · ${TODAY.id}`,
    "headlines-1.csv · 20k rows · today 18:50 · other",
    "x · headlines-1.csv · 20k rows · today 18:50",
  ]);
});

test("a time is as short as it can be told apart", () => {
  expect(formatMoment(at(2026, 10, 28, 9, 5), NOW)).toBe("yesterday 09:05");
  expect(formatMoment(at(2026, 10, 3, 9, 5), NOW)).toBe("3 Nov 09:05");
  expect(formatMoment(at(2025, 10, 3, 9, 5), NOW)).toBe("3 Nov 2025");
  expect(formatMoment("soon", NOW)).toBe("soon");
});

test("numbers of rows are rounded to what a title needs", () => {
  expect([950, 1000, 4321, 20_000, 999_400, 999_600, 1_400_000].map(formatCompact)).toEqual([
    ..."950 1k 4.3k 20k 999k 1M 1.4M".split(" "),
  ]);
});

test("a name is one visible line of bounded length, whatever is in it", () => {
  expect(visibleName("a\u202Eb\nc")).toBe("aU+202Eb⏎c");
  expect(Array.from(visibleName("😀".repeat(300)))).toHaveLength(44);
  expect(visibleName(`${"x".repeat(80)}.csv`)).toMatch(/^x+…x+\.csv$/);
});
