import { describe, expect, it } from "vitest";
import { MemoryTree } from "./files/memory-tree.js";
import { memoryDisk } from "./memory-disk.js";

const refusal = (message: RegExp) =>
  expect.objectContaining({
    name: "HartvisorError",
    code: "invalid-argument",
    message: expect.stringMatching(message),
  });

describe("a tree in memory", () => {
  it.each([0, -1, 4095, Number.NaN, "1GiB", null])("cannot have %s bytes", (maxBytes) => {
    expect(() => new MemoryTree({ maxBytes } as never)).toThrow(refusal(/bytes: give 4096 or more$/));
  });
});

describe("a disk in memory", () => {
  it.each([undefined, null, 1024, "disk.img", new ArrayBuffer(512)])("is no %s", (bytes) => {
    expect(() => memoryDisk(bytes as never)).toThrow(refusal(/^memoryDisk: give a Uint8Array/));
  });
});
