import { afterEach, expect, test, vi } from "vitest";

afterEach(() => {
  window.history.replaceState(null, "", "/");
  vi.resetModules();
});

test("an embedded page changes nothing, whatever is clicked on it", async () => {
  window.history.replaceState(null, "", "/runs/r1?embed=1");
  vi.resetModules();
  const { deleteRun, putLabel } = await import("../src/api");
  await expect(deleteRun("r1")).rejects.toThrow(/can only be looked at/);
  await expect(putLabel(3, "r1", { starred: true })).rejects.toThrow(/can only be looked at/);
});
