/** Arithmetic in doubles whose results are looked at together. */
import { describe, expect, it } from "vitest";
import { assemble } from "../../core/isa/assemble.js";
import { Machine, type TranslatorFactory } from "../../core/src/index.js";
import { translator } from "../src/index.js";
import { groupAccesses } from "../src/lower/access-groups.js";
import { floatBatches } from "../src/lower/float-batches.js";
import { grow } from "./grow.js";

/** The offsets of the looks at results, batch for batch, in the block with which a program begins. */
function looks(source: string, fusedMultiplyAdd = true) {
  const instructions = grow(`${source}\nret`).blocks.get(0)?.instructions ?? [];
  const batches = floatBatches(instructions, groupAccesses(instructions), fusedMultiplyAdd);
  return [...batches.values()].map((batch) => Object.fromEntries([...batch.looks].sort(([a], [b]) => a - b)));
}

describe("batches", () => {
  it("have a first look for products and one for sums", () => {
    const source = "fmul.d fa0, fa1, fa2\nfdiv.d fa3, fa1, fa2\nfadd.d fa4, fa1, fa2\nfsub.d fa5, fa1, fa2";
    expect(looks(source)).toEqual([{ 0: "first", 4: "next", 8: "first", 12: "next" }]);
  });

  it("look at no sum that goes into another result", () => {
    const source = "fadd.d fa0, fa1, fa2\nfsqrt.d fa3, fa0\nfmul.d fa4, fa3, fa1";
    expect(looks(source)).toEqual([{ 0: "implied", 4: "implied", 8: "first" }]);
  });

  it("look at a sum of which only a copy goes into another result", () => {
    const source = "fadd.d fa0, fa1, fa2\nfsgnj.d fa3, fa0, fa0\nfmul.d fa4, fa3, fa1";
    expect(looks(source)).toEqual([{ 0: "first", 8: "first" }]);
  });

  it("look at a sum whose register is written before it is read", () => {
    const source = "fadd.d fa0, fa1, fa2\nfadd.d fa0, fa1, fa3\nfmul.d fa4, fa0, fa1";
    expect(looks(source)).toEqual([{ 0: "first", 4: "implied", 8: "first" }]);
  });

  it.each(["addi a0, a0, 8", "fmv.d.x fa6, a0", "fcvt.d.w fa6, a0", "fence r, r"])("go on behind %s", (between) => {
    expect(looks(`fadd.d fa0, fa1, fa2\n${between}\nfadd.d fa3, fa1, fa2`)).toEqual([{ 0: "first", 8: "next" }]);
  });

  it.each(["flt.d a0, fa1, fa2", "fsd fa0, 0(a0)", "fld fa0, 0(a0)", "fadd.s fa4, fa4, fa4", "fcvt.w.d a0, fa0, rtz"])(
    "end before %s",
    (between) => {
      expect(looks(`fadd.d fa0, fa1, fa2\n${between}\nfadd.d fa3, fa1, fa2`)).toEqual([]);
    },
  );

  it("go on behind a load whose page another has found", () => {
    const [found, other] = ["fld fa0, 0(a0)", "fld fa1, 8(a0)"];
    const source = `${found}\nfadd.d fa2, fa0, fa0\n${other}\nfadd.d fa3, fa1, fa1`;
    expect(looks(source)).toEqual([{ 4: "first", 12: "next" }]);
  });

  it("have eight products at most", () => {
    const products = Array.from({ length: 10 }, (_, n) => `fmul.d f${n}, f${n}, f31`).join("\n");
    expect(looks(products).map((batch) => Object.keys(batch).length)).toEqual([8, 2]);
  });

  it("have no multiply-adds that are calls", () => {
    const source = "fmadd.d fa0, fa1, fa2, fa3\nfmadd.d fa4, fa1, fa2, fa3";
    expect([looks(source), looks(source, false)]).toEqual([[{ 0: "first", 4: "next" }], []]);
  });
});

const RAM = 0x80000000;
const OPERANDS = RAM + 0x1000;
const RESULTS = RAM + 0x2000;

/** Bits of doubles: common ones, and all that are none or raise flags. */
const VALUES = [
  ...[0x3ff8_0000_0000_0000n, 0xbff8_0000_0000_0001n], // 1.5, -1.5 and a little
  ...[0n, 1n << 63n, 0x0010_0000_0000_0000n, 1n], // zeros, the smallest normal number, the smallest
  ...[0x1a70_0000_0000_0001n, 0x6570_0000_0000_0001n, 0x7fef_ffff_ffff_ffffn], // 2^-600, 2^600 and a little, the largest
  0xffef_ffff_ffff_ffffn,
  ...[0x7ff0_0000_0000_0000n, 0xfff0_0000_0000_0000n, 0x7ff8_0000_0000_0000n, 0x7ff0_0000_0000_0001n], // infinities, NaNs
];

/** What is done with three values: results in fa0 to fa7, and t0. */
const BATCHES: Readonly<Record<string, string>> = {
  sums: "fadd.d fa0, f0, f1\nfsub.d fa1, fa0, f2\nfsub.d fa2, f1, f2\nfsqrt.d fa3, fa2\nfadd.d fa4, f0, f0",
  products: "fmul.d fa0, f0, f1\nfmul.d fa1, fa0, f2\nfdiv.d fa2, f0, f2\nfmul.d fa3, f2, f2",
  "sums in products": "fadd.d fa0, f0, f1\nfmul.d fa1, fa0, f2\nfsub.d fa2, f0, f1\nfdiv.d fa3, f2, fa2",
  "multiply-adds":
    "fmadd.d fa0, f0, f1, f2\nfnmsub.d fa1, f1, f2, fa0\nfmsub.d fa2, f0, f0, fa1\nfnmadd.d fa3, f0, f1, f1",
  "registers that are read and written":
    "fadd.d f0, f0, f1\nfmul.d f1, f0, f1\nfsub.d f2, f2, f0\nfmul.d f0, f1, f2\nfsgnj.d fa0, f0, f0\nfadd.d fa1, f1, f2",
  "other instructions between":
    "fmul.d fa0, f0, f1\nauipc t0, 1\nfcvt.d.l fa1, t0\naddi t0, t0, 1\nfmv.x.d t1, fa0\nxor t0, t0, t1\nfdiv.d fa2, fa0, f2",
};

/** Every triple of the values goes through a batch; gives results and flags of each. */
async function run(batch: string, factory?: TranslatorFactory) {
  await using machine = await Machine.create({
    ...{ memoryBytes: 0x100000, clock: "virtual", limits: { instructions: 150_000 } },
    ...(factory && { translator: factory }),
  });
  const stores = Array.from({ length: 8 }, (_, n) => `fsd fa${n}, ${n * 8}(s4)`);
  const step = (register: string) =>
    `addi ${register}, ${register}, 8\nbne ${register}, s5, next\naddi ${register}, s0, 0`;
  const source = [
    ...["csrrs zero, mstatus, t2", "next:", "csrrwi zero, fcsr, 1"],
    ...["fld f0, 0(s1)", "fld f1, 0(s2)", "fld f2, 0(s3)", batch, "csrrs t1, fcsr, zero"],
    ...[...stores, "sd t0, 64(s4)", "sd t1, 72(s4)", "addi s4, s4, 80"],
    ...[step("s3"), step("s2"), step("s1"), "end:", "j end"],
  ];
  machine.memory.write(RAM, assemble(source.join("\n")));
  machine.memory.write(OPERANDS, new Uint8Array(new BigUint64Array(VALUES).buffer));
  machine.enterMachine(0, { address: BigInt(RAM), opaque: 0n });
  const [hart] = machine.harts;
  hart?.setRegister(7, 0x6000n);
  for (const register of [8, 9, 18, 19]) hart?.setRegister(register, BigInt(OPERANDS));
  hart?.setRegister(20, BigInt(RESULTS));
  hart?.setRegister(21, BigInt(OPERANDS + VALUES.length * 8));
  machine.start();
  await machine.exited;
  const count = VALUES.length ** 3;
  const bytes = machine.memory.read(RESULTS, count * 80)?.slice() ?? new Uint8Array();
  const words = new BigUint64Array(bytes.buffer);
  const outcomes = Array.from({ length: count }, (_, n) => [...words.subarray(n * 10, n * 10 + 10)].join(" "));
  return { outcomes, translated: (machine.stats.jit?.executed ?? 0) / machine.stats.instructions };
}

describe.each(Object.entries(BATCHES))("%s", (_, batch) => {
  it("have the interpreter's results and flags for all values", async () => {
    const interpreted = await run(batch);
    const translated = await run(batch, translator({ threshold: 1, sampleInterval: 1, eager: true }));
    expect(new Set(interpreted.outcomes).size).toBeGreaterThan(VALUES.length);
    expect(translated.outcomes).toEqual(interpreted.outcomes);
    expect(translated.translated).toBeGreaterThan(0.9);
  });
});
