import { expect, it } from "vitest";
import { translator } from "../src/index.js";

it.each<[unknown, string]>([
  [{ unit: "page" }, 'translator: unit is one of region, block, not "page"'],
  [{ threshold: 0 }, "translator: threshold of 0: give a whole number above 0"],
  [{ threshold: Number.NaN }, "translator: threshold of NaN: give a whole number above 0"],
  [{ sampleInterval: 1.5 }, "translator: sampleInterval of 1.5: give a whole number above 0"],
  [{ missThreshold: 0 }, "translator: missThreshold of 0: give a whole number above 0"],
  [{ regionInstructions: "500" }, "translator: regionInstructions of 500: give a whole number above 0"],
  [{ retryMs: -1 }, "translator: retryMs of -1: give 0 or more"],
])("refuses %o", (options, message) => {
  expect(() => translator(options as never)).toThrow(
    expect.objectContaining({ name: "HartvisorError", code: "invalid-argument", message }),
  );
});
