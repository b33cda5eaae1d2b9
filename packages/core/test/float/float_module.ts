/**
 * Compiles `assembly/float` by itself, with the flags that the core module is built with, for the tests of this folder.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import asc from "assemblyscript/asc";

/** A pointer that nothing else uses: the routines under test touch memory only there. */
const FLAGS = 64;

type Routine = (...operands: (bigint | number)[]) => bigint | number;

export interface FloatModule {
  /** The ids of the module's sections (WebAssembly 2.0, 5.5.2). */
  readonly sections: readonly number[];
  readonly routine: (name: string) => Routine;
  /** To be passed as `flags`. */
  readonly flagsPointer: number;
  /** The word at `flagsPointer`. */
  readonly flags: Uint32Array;
}

function sectionsOf(binary: Uint8Array): number[] {
  const sections: number[] = [];
  // After magic and version: an id, the size in LEB128, that many bytes.
  for (let at = 8; at < binary.length; ) {
    sections.push(binary[at++] ?? 0);
    let size = 0;
    for (let shift = 0, byte = 0x80; byte >= 0x80; shift += 7) {
      byte = binary[at++] ?? 0;
      size |= (byte & 0x7f) << shift;
    }
    at += size;
  }
  return sections;
}

export async function compileFloatModule(): Promise<FloatModule> {
  const core = new URL("../../", import.meta.url).pathname;
  let binary: Uint8Array<ArrayBuffer> | undefined;
  const { error, stderr } = await asc.main(
    ["assembly/float/index.ts", "--outFile", "float.wasm", "--runtime", "stub", "-O3", "--noAssert", "--importMemory"],
    {
      // The compiler probes for files that need not exist.
      readFile: (name) => readFile(join(core, name), "utf8").catch(() => null),
      writeFile: (name, contents) => {
        if (name === "float.wasm" && typeof contents !== "string") binary = new Uint8Array(contents);
      },
      listFiles: () => [],
    },
  );
  if (error !== null || binary === undefined) throw new Error(`assembly/float does not compile: ${stderr.toString()}`);

  const module = await WebAssembly.compile(binary);
  const memory = new WebAssembly.Memory({ initial: 1 });
  const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
  return {
    sections: sectionsOf(binary),
    routine: (name) => {
      const routine = exports[name];
      if (typeof routine !== "function") throw new Error(`assembly/float exports no ${name}`);
      return routine as Routine;
    },
    flagsPointer: FLAGS,
    flags: new Uint32Array(memory.buffer, FLAGS, 1),
  };
}
