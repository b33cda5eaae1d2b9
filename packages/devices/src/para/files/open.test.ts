import { expect, it } from "vitest";
import { FileError } from "../../backends/files/errno.js";
import { perform } from "../../backends/files/later.js";
import type { FileNode, OpenFile } from "../../backends/files/tree.js";
import { openFile, openMode } from "./open.js";

it("closes a file that cannot be emptied", () => {
  let closed = 0;
  const change = () => {
    throw FileError.of("EIO");
  };
  const file = { change, close: () => void closed++ } as unknown as OpenFile;
  const node = { open: () => file } as unknown as FileNode;
  const flags = 0o1001; // O_TRUNC | O_WRONLY
  expect(() => perform(openFile(node, openMode(flags), flags))).toThrow("EIO");
  expect(closed).toBe(1);
});
