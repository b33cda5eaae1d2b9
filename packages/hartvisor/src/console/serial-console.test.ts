import { describe, expect, it } from "vitest";
import { SerialConsole } from "./serial-console.js";

const MIB = 2 ** 20;

/** All that a console gives out until it ends, by chunks. */
async function chunksOf(console: SerialConsole): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of console.output) chunks.push(chunk);
  return chunks;
}

const joined = (chunks: readonly Uint8Array[]): number[] => chunks.flatMap((chunk) => [...chunk]);

describe("the serial console's output", () => {
  it("keeps bytes and blocks in order", async () => {
    const console = new SerialConsole();
    console.put(1);
    console.write(Uint8Array.of(2, 3));
    console.write(new Uint8Array(5000).fill(4));
    console.put(5);
    console.end();
    expect(joined(await chunksOf(console))).toEqual([1, 2, 3, ...new Array(5000).fill(4), 5]);
  });

  it("has its own copy of what it was given", async () => {
    const console = new SerialConsole();
    const block = new Uint8Array(5000).fill(1);
    console.write(block);
    block.fill(2);
    console.end();
    expect(new Set(joined(await chunksOf(console)))).toEqual(new Set([1]));
  });

  it("gives out together what is printed a byte at a time", async () => {
    const console = new SerialConsole();
    for (let n = 0; n < 10_000; n++) console.write(Uint8Array.of(n));
    console.end();
    expect((await chunksOf(console)).map(({ length }) => length)).toEqual([4096, 4096, 1808]);
  });

  it("forgets the oldest beyond a mebibyte that nobody reads", async () => {
    const console = new SerialConsole();
    for (let n = 0; n < 2 * MIB; n++) console.put(n < MIB ? 1 : 2);
    console.end();
    const bytes = joined(await chunksOf(console));
    expect(bytes.length).toBeLessThanOrEqual(MIB);
    expect(bytes.length).toBeGreaterThan(MIB - 4097);
    expect(bytes.every((byte) => byte === 2)).toBe(true);
  });
});
