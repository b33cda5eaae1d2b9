/** Ciphers and hashes made of the instructions for them, against the standards' examples. */
import { createHash } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { encode } from "../isa/encode.js";
import { aesInverseRound, aesRound, sm4Linear } from "../isa/evaluate/crypto.js";
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

describe("S-boxes are right for all bytes", () => {
  const BYTES = Array.from({ length: 256 }, (_, byte) => BigInt(byte));
  const everywhere = (byte: bigint) => byte * 0x0101010101010101n;

  it.each([
    { name: "aes64es", expected: aesRound },
    { name: "aes64ds", expected: aesInverseRound },
  ])("$name", ({ name, expected }) => {
    for (const state of BYTES.map(everywhere)) expect(run(name, state, state)).toBe(expected(state, state, true));
  });

  it("sm4ed", () => {
    for (const byte of BYTES) {
      const sum = BigInt.asIntN(32, sm4Linear(byte, [0, 2, 10, 18, 24]));
      expect(run("sm4ed", 0n, byte, { bs: 0 })).toBe(BigInt.asUintN(64, sum));
    }
  });
});

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

/** The fractions of the primes' square or cube roots, of which SHA-2 takes its constants (FIPS 180-4, 4.2). */
function rootFractions(count: number, power: 2n | 3n, width: bigint): bigint[] {
  const primes: bigint[] = [];
  for (let n = 2n; primes.length < count; n++) if (primes.every((prime) => n % prime !== 0n)) primes.push(n);
  return primes.map((prime) => {
    const scaled = prime << (power * width);
    let root = 0n;
    for (let bit = width + 5n; bit >= 0n; bit--) {
      const candidate = root | (1n << bit);
      if (candidate ** power <= scaled) root = candidate;
    }
    return root & ((1n << width) - 1n);
  });
}

describe.each([
  { name: "sha256", width: 32, rounds: 64, block: 64 },
  { name: "sha512", width: 64, rounds: 80, block: 128 },
])("$name (FIPS 180-4)", ({ name, width, rounds, block }) => {
  const word = (value: bigint) => BigInt.asUintN(width, value);

  /** One block, padded; the functions of the standard are instructions, the rest is plain. */
  function digest(message: string): string {
    const padded = Buffer.alloc(block);
    padded.write(message);
    padded[message.length] = 0x80;
    padded.writeUInt32BE(message.length * 8, block - 4);
    const schedule = Array.from({ length: 16 }, (_, n) =>
      width === 32 ? BigInt(padded.readUInt32BE(n * 4)) : padded.readBigUInt64BE(n * 8),
    );
    const at = (n: number) => schedule[n] ?? 0n;
    for (let n = 16; n < rounds; n++) {
      const [sigma0, sigma1] = [run(`${name}sig0`, at(n - 15)), run(`${name}sig1`, at(n - 2))];
      schedule.push(word(sigma1 + at(n - 7) + sigma0 + at(n - 16)));
    }
    const constants = rootFractions(rounds, 3n, BigInt(width));
    const start = rootFractions(8, 2n, BigInt(width));
    let [a = 0n, b = 0n, c = 0n, d = 0n, e = 0n, f = 0n, g = 0n, h = 0n] = start;
    for (let n = 0; n < rounds; n++) {
      const first = word(h + run(`${name}sum1`, e) + ((e & f) ^ (~e & g)) + (constants[n] ?? 0n) + at(n));
      const second = word(run(`${name}sum0`, a) + ((a & b) ^ (a & c) ^ (b & c)));
      [a, b, c, d, e, f, g, h] = [word(first + second), a, b, c, word(d + first), e, f, g];
    }
    const end = [a, b, c, d, e, f, g, h].map((value, n) => word(value + (start[n] ?? 0n)));
    return end.map((value) => value.toString(16).padStart(width / 4, "0")).join("");
  }

  it.each(["", "abc", "The quick brown fox jumps over the lazy dog"])("of %j", (message) => {
    expect(digest(message)).toBe(createHash(name).update(message).digest("hex"));
  });
});

describe("SM4 (GB/T 32907-2016, A.1)", () => {
  const KEY = "0123456789abcdeffedcba9876543210";
  const CIPHER = "681edf34d206965e86b3e94f536e4246";
  const SYSTEM = "a3b1bac656aa3350677d9197b27022dc";
  const words = (hex: string) =>
    Array.from({ length: 4 }, (_, n) => BigInt(Buffer.from(hex, "hex").readUInt32LE(n * 4)));

  /** Four bytes through an instruction that takes one at a time. */
  const transform = (name: string, sum: bigint, input: bigint) =>
    [0, 1, 2, 3].reduce((value, bs) => BigInt.asUintN(32, run(name, value, input, { bs })), sum);
  const rounds = (name: string, start: readonly bigint[], keys: readonly bigint[]) => {
    const x = [...start];
    for (const [n, key] of keys.entries()) {
      const [a = 0n, b = 0n, c = 0n, d = 0n] = x.slice(n);
      x.push(transform(name, a, b ^ c ^ d ^ key));
    }
    return x.slice(4);
  };
  /** CK: the bytes 0, 7, 14, ... (7.3). */
  const constants = Array.from({ length: 32 }, (_, n) =>
    BigInt(Buffer.from([0, 1, 2, 3].map((j) => (4 * n + j) * 7)).readUInt32LE()),
  );

  it("encrypts", () => {
    const start = words(KEY).map((word, n) => word ^ (words(SYSTEM)[n] ?? 0n));
    const keys = rounds("sm4ks", start, constants);
    const end = rounds("sm4ed", words(KEY), keys).slice(-4).reverse();
    expect(Buffer.from(Uint32Array.from(end, Number).buffer).toString("hex")).toBe(CIPHER);
  });
});

describe("SM3 (GB/T 32905-2016)", () => {
  const word = (value: bigint) => BigInt.asUintN(32, value);
  const rotl = (value: bigint, by: number) => word((value << BigInt(by % 32)) | (value >> BigInt(32 - (by % 32))));
  const START = "7380166f 4914b2b9 172442d7 da8a0600 a96f30bc 163138aa e38dee4d b0fb0e4e";
  const p0 = (value: bigint) => word(run("sm3p0", value));
  const p1 = (value: bigint) => word(run("sm3p1", value));

  it("digests abc, its first example", () => {
    const block = Buffer.alloc(64);
    block.write("abc\x80", "latin1");
    block[63] = 24;
    const w = Array.from({ length: 16 }, (_, n) => BigInt(block.readUInt32BE(n * 4)));
    const at = (n: number) => w[n] ?? 0n;
    for (let n = 16; n < 68; n++) {
      w.push(p1(at(n - 16) ^ at(n - 9) ^ rotl(at(n - 3), 15)) ^ rotl(at(n - 13), 7) ^ at(n - 6));
    }
    const start = START.split(" ").map((value) => BigInt(`0x${value}`));
    let [a = 0n, b = 0n, c = 0n, d = 0n, e = 0n, f = 0n, g = 0n, h = 0n] = start;
    for (let n = 0; n < 64; n++) {
      const ss1 = rotl(word(rotl(a, 12) + e + rotl(n < 16 ? 0x79cc4519n : 0x7a879d8an, n)), 7);
      const ff = n < 16 ? a ^ b ^ c : (a & b) | (a & c) | (b & c);
      const gg = n < 16 ? e ^ f ^ g : (e & f) | (~e & g);
      const tt1 = word(ff + d + (ss1 ^ rotl(a, 12)) + (at(n) ^ at(n + 4)));
      const tt2 = word(gg + h + ss1 + at(n));
      [a, b, c, d, e, f, g, h] = [tt1, a, rotl(b, 9), c, p0(tt2), e, rotl(f, 19), g];
    }
    const end = [a, b, c, d, e, f, g, h].map((value, n) => value ^ (start[n] ?? 0n));
    expect(end.map((value) => value.toString(16).padStart(8, "0")).join("")).toBe(
      "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0",
    );
  });
});
