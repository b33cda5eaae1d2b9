import { expect, it } from "vitest";
import { MemoryTree } from "../../backends/files/memory-tree.js";
import type { DirectoryReader, OpenFile } from "../../backends/files/tree.js";
import { KnownFiles } from "./known-files.js";

it("closes what was opened so late that its kernel is gone", () => {
  const { root } = new MemoryTree();
  const known = new KnownFiles();
  let closed = 0;
  const close = () => void closed++;
  known.begin(root, false);
  expect(known.keepFile({ close } as unknown as OpenFile)).toBe(1);
  known.end();
  expect(closed).toBe(1);
  expect(() => known.keepFile({ close } as unknown as OpenFile)).toThrow("EIO");
  expect(() => known.keepDirectory({ node: root, reader: { close } as unknown as DirectoryReader })).toThrow("EIO");
  expect(closed).toBe(3);
});
