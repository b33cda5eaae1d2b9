/** Where a region loads registers: where they are first needed, behind its entry or a call, and once. */
import { IsaSet } from "@hartvisor/core";
import { describe, expect, it } from "vitest";
import { Random } from "../../core/fuzz/random.js";
import { assemble } from "../../core/isa/assemble.js";
import { dumpRegion } from "../src/index.js";
import { outcome } from "./outcome.js";

/** The instructions of a program's region in the order of their code, each with the registers that are loaded for it or what follows. */
function loadsOf(source: string): string[] {
  const code = assemble(source);
  const read = (address: bigint) => {
    const [low, high] = code.subarray(Number(address) - 0x1000);
    return low === undefined || high === undefined ? undefined : low | (high << 8);
  };
  const { text = "" } = dumpRegion({ address: 0x1000n, read, isa: IsaSet.parse("rv64gc") }) ?? {};
  const [, ...pieces] = text.slice(text.indexOf("# WebAssembly")).split(";; 0x");
  return pieces.map((piece) => {
    const [, name = ""] = piece.split(/\s+/);
    const loads = piece.matchAll(/i32\.const 0 i64\.load offset=\d+ local\.set \$(\w+)/g);
    return [name, ...[...loads].map(([, register]) => register)].join(" ");
  });
}

describe("registers are loaded", () => {
  it("for the instruction that reads them first", () => {
    expect(loadsOf("add a0, a1, a2\nadd a3, a1, a4\necall")).toEqual(["add a1 a2", "add a4", "ecall"]);
  });

  it("not at all where they are written first", () => {
    expect(loadsOf("addi a0, zero, 1\nadd a0, a0, a0\necall")).toEqual(["addi", "add", "ecall"]);
  });

  it("only on the way that reads them", () => {
    const source = "beq a0, zero, .+12\nadd a0, a1, a2\necall\nadd a0, a3, a4\necall";
    expect(loadsOf(source)).toEqual(["beq a0", "add a3 a4", "ecall", "add a1 a2", "ecall"]);
  });

  it("at a branch if both ways read them", () => {
    const source = "beq a0, zero, .+12\nadd a0, a1, a2\necall\nadd a0, a1, a3\necall";
    expect(loadsOf(source)).toEqual(["beq a0 a1", "add a3", "ecall", "add a2", "ecall"]);
  });

  it("before a loop that reads them", () => {
    const source = "addi a0, zero, 9\nadd a1, a1, a2\naddi a0, a0, -1\njal ra, .+400\nbne a0, zero, .-12\necall";
    expect(loadsOf(source)).toEqual(["addi a1 a2", "add", "addi", "jal", "bne a0 a1 a2", "ecall"]);
  });

  it("before ways meet on one of which they were written", () => {
    const source = "bne a1, zero, .+8\naddi a0, zero, 1\necall";
    expect(loadsOf(source)).toEqual(["bne a1 a0", "addi", "ecall"]);
  });

  it("again behind a call", () => {
    const source = "add a0, a1, a2\njal ra, .+400\nadd a3, a1, a0\necall";
    expect(loadsOf(source)).toEqual(["add a1 a2", "jal", "add a0 a1", "ecall"]);
  });
});

const FUNCTIONS = 6;

/** A function that calls those behind it, branches ahead, and may return early. */
function randomFunction(random: Random, number: number): string[] {
  const hasFrame = random.below(3) > 0;
  const register = () => random.pick(["a0", "a1", "a2", "a3", "a4", "s1", "s2", "t1"]);
  const label = (n: number) => `f${number}_${n}`;
  const pieces = random.between(3, 9);
  const callees = FUNCTIONS - number - 1;
  const callee = () => `f${number + 1 + random.below(callees)}`;
  const ahead = (n: number) => label(random.between(n + 1, pieces));
  const kinds = [
    () => [`addi ${register()}, ${register()}, ${random.between(-9, 20)}`],
    () => [`add ${register()}, ${register()}, ${register()}`],
    () => [`sd ${register()}, ${8 * random.below(16)}(s0)`],
    () => [`ld ${register()}, ${8 * random.below(16)}(s0)`],
    (n: number) => [`${random.pick(["beq", "bne", "blt", "bgeu"])} ${register()}, ${register()}, ${ahead(n)}`],
    (n: number) => [`andi t2, ${register()}, 1`, `beq t2, zero, ${ahead(n)}`],
    (n: number) => [
      "addi t2, zero, 3",
      `${label(n)}_loop: add ${register()}, ${register()}, t2`,
      "addi t2, t2, -1",
      `bne t2, zero, ${label(n)}_loop`,
    ],
    ...(callees > 0 ? [() => [hasFrame ? `jal ra, ${callee()}` : `j ${callee()}`]] : []),
  ];
  const body = Array.from({ length: pieces }, (_, n) => [`${label(n)}:`, ...random.pick(kinds)(n)]).flat();
  const enter = ["addi sp, sp, -32", "sd ra, 24(sp)", "sd s1, 16(sp)", "sd s2, 8(sp)"];
  const leave = ["ld ra, 24(sp)", "ld s1, 16(sp)", "ld s2, 8(sp)", "addi sp, sp, 32"];
  return [`f${number}:`, ...(hasFrame ? enter : []), ...body, `${label(pieces)}:`, ...(hasFrame ? leave : []), "ret"];
}

it.each([1, 2, 3])("random calls end as interpreted, seed %i", async (seed) => {
  const random = new Random(seed);
  for (let n = 0; n < 20; n++) {
    const functions = Array.from({ length: FUNCTIONS }, (_, number) => randomFunction(random, number)).flat();
    const begin = ["lui t0, 4", "add sp, s0, t0", "again: addi s3, s3, 1", "add a0, a0, s3"];
    const source = [...begin, "jal ra, f0", "jal ra, f1", "j again", ...functions].join("\n");
    for (const eager of [false, true]) {
      const options = { threshold: 1, sampleInterval: eager ? 1 : 13, eager };
      const { executed, end } = await outcome(source, 20_000, options);
      expect(end, source).toEqual((await outcome(source, 20_000)).end);
      expect(executed, source).toBeGreaterThan(10_000);
    }
  }
});
