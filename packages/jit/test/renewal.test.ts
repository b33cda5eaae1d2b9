/** A guest that keeps overwriting its code makes module after module: the table that may keep them alive is made anew in time. */
import { Machine, type TranslatorFactory } from "@hartvisor/core";
import { describe, expect, it } from "vitest";
import { assemble } from "../../core/isa/assemble.js";
import { translator } from "../src/index.js";

const RAM = 0x80000000;
const RAM_BYTES = 0x10000;
const ROUNDS = 2500;

/** Adds s2 and s3 in turn, by one instruction that it writes before each round; s0 is its own address. */
const REWRITING = `
  lw t1, 40(s0)
  lw t3, 44(s0)
  xor t3, t3, t1
  addi a0, a0, -1
  sw t1, 24(s0)
  fence.i
  add a1, a1, s2
  xor t1, t1, t3
  bne a0, zero, .-20
  jal zero, .+0
  add a1, a1, s2
  add a1, a1, s3`;

/** A factory whose machines count how often they are asked for a new table. */
function counting(factory: TranslatorFactory): {
  readonly factory: TranslatorFactory;
  readonly renewals: () => number;
} {
  let count = 0;
  const create: TranslatorFactory["create"] = (host) => {
    const renew = () => {
      count++;
      host.renew();
    };
    return factory.create(Object.create(host, { renew: { value: renew } }));
  };
  return { factory: { ...factory, create }, renewals: () => count };
}

async function run(options: { readonly translator?: TranslatorFactory }) {
  await using machine = await Machine.create({
    memoryBytes: RAM_BYTES,
    clock: "virtual",
    limits: { instructions: ROUNDS * 7 + 100 },
    ...options,
  });
  machine.memory.write(RAM, assemble(REWRITING));
  machine.enterMachine(0, { address: BigInt(RAM), opaque: 0n });
  const [hart] = machine.harts;
  hart?.setRegister(8, BigInt(RAM));
  hart?.setRegister(10, BigInt(ROUNDS));
  hart?.setRegister(18, 3n);
  hart?.setRegister(19, 1000n);
  machine.start();
  await machine.exited;
  return { sum: hart?.getRegister(11), left: hart?.getRegister(10), jit: machine.stats.jit };
}

describe("a table that saw hundreds of modules that are of no use any more", () => {
  it("is made anew, and the guest goes on as if nothing had happened", async () => {
    const { factory, renewals } = counting(translator({ threshold: 1, sampleInterval: 1 }));
    const { sum, left, jit } = await run({ translator: factory });
    expect({ sum, left }).toEqual({ sum: BigInt(ROUNDS / 2) * 1003n, left: 0n });
    expect(jit?.modules).toBeGreaterThan(1000);
    expect(renewals()).toBeGreaterThan(0);
    const interpreted = await run({});
    expect({ sum, left }).toEqual({ sum: interpreted.sum, left: interpreted.left });
  });
});
