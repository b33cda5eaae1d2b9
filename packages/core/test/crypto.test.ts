/** Ciphers and hashes made of the instructions for them, against the standards' examples. */
import { beforeAll, describe, expect, it } from "vitest";
import { encode } from "../isa/encode.js";
import { createTestHart, RAM_BASE, type TestHart } from "./harness.js";

let hart: TestHart;
beforeAll(async () => {
  hart = await createTestHart();
});

/** Executes one instruction on a1 and a2; gives what it leaves in a0. */
function run(name: string, a1: bigint, a2?: bigint, immediate: Record<string, number> = {}): bigint {
  const bits = encode(name, { rd: 10, rs1: 11, ...(a2 !== undefined && { rs2: 12 }), ...immediate });
  hart.writeMemory(
    RAM_BASE,
    Uint8Array.from({ length: 4 }, (_, n) => bits >>> (8 * n)),
  );
  hart.setX(11, a1);
  hart.setX(12, a2 ?? 0n);
  hart.setPc(BigInt(RAM_BASE));
  expect(hart.run(1).kind).toBe("budget");
  expect(hart.getPc()).toBe(BigInt(RAM_BASE + 4));
  return hart.getX(10);
}

/** Little-endian registers of some bytes, and back. */
const registers = (bytes: Buffer): bigint[] =>
  Array.from({ length: bytes.length / 8 }, (_, n) => bytes.readBigUInt64LE(n * 8));
const bytesOf = (values: readonly bigint[]): string => Buffer.from(BigUint64Array.from(values).buffer).toString("hex");

type Pair = readonly [bigint, bigint];
const pair = (hex: string): Pair => registers(Buffer.from(hex, "hex")) as unknown as Pair;
const xor = (a: Pair, b: Pair): Pair => [a[0] ^ b[0], a[1] ^ b[1]];

describe("AES-128 (FIPS 197, C.1)", () => {
  const KEY = pair("000102030405060708090a0b0c0d0e0f");
  const PLAIN = "00112233445566778899aabbccddeeff";
  const CIPHER = "69c4e0d86a7b0430d8cdb78070b4c55a";

  function schedule(): Pair[] {
    const keys: Pair[] = [KEY];
    for (let [low, high] = KEY, rnum = 0; rnum < 10; rnum++) {
      low = run("aes64ks2", run("aes64ks1i", high, undefined, { rnum }), low);
      high = run("aes64ks2", low, high);
      keys.push([low, high]);
    }
    return keys;
  }
  const both = (name: string, [low, high]: Pair): Pair => [run(name, low, high), run(name, high, low)];

  it("expands the key", () => {
    expect(bytesOf(schedule()[10] ?? [])).toBe("13111d7fe3944a17f307a78b4d2b30c5");
  });

  it("encrypts", () => {
    const [first = KEY, ...keys] = schedule();
    let state = xor(pair(PLAIN), first);
    for (const [n, key] of keys.entries()) state = xor(both(n < 9 ? "aes64esm" : "aes64es", state), key);
    expect(bytesOf(state)).toBe(CIPHER);
  });

  it("decrypts, by the equivalent inverse cipher", () => {
    const [first = KEY, ...keys] = schedule().reverse();
    let state = xor(pair(CIPHER), first);
    for (const [n, key] of keys.entries()) {
      state =
        n < 9
          ? xor(both("aes64dsm", state), [run("aes64im", key[0]), run("aes64im", key[1])])
          : xor(both("aes64ds", state), key);
    }
    expect(bytesOf(state)).toBe(PLAIN);
  });

  it("substitutes words without rotation for keys of 256 bits", () => {
    // SubWord of bytes 53 00 00 00 (FIPS 197, figure 7: ed 63 63 63).
    expect(run("aes64ks1i", 0x53000000n << 32n, undefined, { rnum: 10 })).toBe(0xed636363ed636363n);
  });
});
