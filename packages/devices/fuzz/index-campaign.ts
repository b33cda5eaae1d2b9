/**
 * Hostile indices of served trees: valid ones, mutated in their fields and in their bytes. An index is refused in one
 * line, or is a tree that keeps to itself: names are names, and contents lie below the index, within their files.
 */
import { HartvisorError } from "@hartvisor/core";
import { type ParsedIndex, parseTreeIndex, type TreeIndex } from "../src/backends/files/http/tree-index.js";
import { MemoryDirectory } from "../src/backends/files/memory-directory.js";
import { contentOf } from "../src/backends/files/memory-file.js";
import { checkName } from "../src/backends/files/names.js";
import { TreeBuilder } from "../src/backends/files/tree-builder.js";
import { Random } from "./random.js";

const BASE = "https://example.org/tree/";
const NOTHING = contentOf(new Uint8Array());
const PATIENCE_MS = 5000;
const MAX_MESSAGE = 400;

const INDEX: TreeIndex = {
  format: "hartvisor-tree",
  version: 1,
  contents: [
    { file: "contents/0", bytes: 5000 },
    { file: "a file#1?", bytes: 100 },
  ],
  entries: [
    { path: "", type: "directory", mode: "1777" },
    { path: "a", type: "directory", mtime: 5, mtimeNs: 7 },
    { path: "a/b", type: "file", mode: "4755", uid: 1, gid: 2, size: 100, content: [0, 4900] },
    { path: "a/c", type: "hardlink", target: "a/b" },
    { path: "a/l", type: "symlink", target: "../.." },
    { path: "n", type: "character-device", device: [1, 3] },
    { path: "d/e/f", type: "file", size: 100, content: [1, 0], attributes: { "user.x": "eA==", "security.y": "" } },
    { path: "a/.wh.g", type: "file" },
    { path: "p", type: "fifo" },
  ],
};

/** What somebody might write in the place of something else. */
const VALUES: readonly unknown[] = [
  ...[
    null,
    true,
    0,
    -1,
    1,
    2,
    5000,
    1e300,
    -0.5,
    2 ** 53,
    2 ** 44,
    2 ** 32 - 1,
    "",
    "0",
    "777",
    "-1",
    [],
    {},
    [0],
    [0, 0],
  ],
  ...[[1, 2 ** 44], [-1, 0], "a", "a/b", "a/b/c", "/", "/etc/passwd", "..", "../x", "a/../..", "a//b", "./a", "a\0b"],
  ...[
    "\ud800",
    "\udcff",
    "x".repeat(300),
    "y/".repeat(3000),
    "https://elsewhere/x",
    "//elsewhere/x",
    "%2e%2e/x",
    "\\..\\x",
  ],
  ...[
    "file",
    "directory",
    "symlink",
    "hardlink",
    "fifo",
    "__proto__",
    "constructor",
    ".wh.a",
    ".wh..wh..opq",
    ".wh...",
    ".wh.",
  ],
];

export interface IndexReport {
  readonly indices: number;
  /** Of these, those that were trees. */
  readonly accepted: number;
}

/** Reads indices; throws where one breaks a promise. */
export function runIndexCampaign({ indices, seed }: { readonly indices: number; readonly seed: number }): IndexReport {
  const random = new Random(seed);
  let accepted = 0;
  for (let n = 0; n < indices; n++) {
    const document = mutated(random);
    const begin = performance.now();
    try {
      if (isTree(document)) accepted++;
    } catch (cause) {
      const text = new TextDecoder().decode(document).slice(0, 2000);
      throw new Error(`index, seed ${seed}, number ${n}: ${String(cause)}\n${text}`, { cause });
    }
    const ms = performance.now() - begin;
    if (ms > PATIENCE_MS) throw new Error(`index, seed ${seed}, number ${n}: it took ${Math.round(ms)} ms`);
  }
  return { indices, accepted };
}

/** Reads one; false where it was refused as it should be. */
function isTree(document: Uint8Array): boolean {
  let parsed: ParsedIndex;
  const builder = new TreeBuilder("INDEX");
  try {
    parsed = parseTreeIndex(document, "INDEX");
    for (const [entry, place] of parsed.entries) {
      builder.add(entry, NOTHING);
      if (place === undefined) continue;
      const { bytes } = parsed.contents[place.content] as { readonly bytes: number };
      if (!(place.offset >= 0 && place.offset + place.size <= bytes)) throw new Error("contents beyond their file");
    }
  } catch (error) {
    if (!(error instanceof HartvisorError)) throw error;
    if (error.message.includes("\n") || error.message.length > MAX_MESSAGE)
      throw new Error(`not a line: ${error.message}`);
    return false;
  }
  for (const { path } of parsed.contents) {
    const { href } = new URL(path, `${BASE}tree.json`);
    if (!href.startsWith(BASE) || href === BASE) throw new Error(`contents at ${href}`);
  }
  checkNames(builder.finish().root as MemoryDirectory);
  return true;
}

function checkNames(directory: MemoryDirectory): void {
  for (const [name, { node }] of directory.entries) {
    checkName(name);
    if (node instanceof MemoryDirectory) checkNames(node);
  }
}

function mutated(random: Random): Uint8Array {
  const contents: unknown[] = structuredClone([...INDEX.contents]);
  const entries: unknown[] = structuredClone([...INDEX.entries]);
  for (let n = random.below(4); n > 0; n--) mutate(contents, entries, random);
  const index = { ...INDEX, contents, entries };
  if (random.once(12)) setSomething(index, random);
  const bytes = new TextEncoder().encode(JSON.stringify(index));
  if (!random.once(4)) return bytes;
  for (let n = 1 + random.below(3); n > 0; n--) bytes[random.below(bytes.length)] = random.below(256);
  return random.once(8) ? bytes.subarray(0, random.below(bytes.length)) : bytes;
}

/** Changes something, anywhere. */
function mutate(contents: readonly unknown[], entries: unknown[], random: Random): void {
  switch (random.below(8)) {
    case 0:
      entries.push(structuredClone(random.pick(entries)));
      break;
    case 1:
      entries.reverse();
      break;
    case 2:
      entries.splice(random.below(entries.length), 1);
      break;
    default:
      setSomething(random.pick(random.once(4) ? contents : entries), random);
  }
}

/** Gives one of an object's fields another value, or takes it away. */
function setSomething(object: unknown, random: Random): void {
  if (typeof object !== "object" || object === null) return;
  const fields = ["path", "target", "type", ...Object.keys(object)];
  const field = random.pick(fields);
  if (random.once(10)) Reflect.deleteProperty(object, field);
  else Reflect.set(object, field, random.pick(VALUES));
}
