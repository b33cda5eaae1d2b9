import { beforeAll, describe, expect, it } from "vitest";
import { obtainQemu, type Qemu } from "../../hartvisor/src/host/node/debian-qemu.js";
import { describeOnlineOnAmd64 } from "../../hartvisor/test/describe-where.js";
import { runSubject } from "../fuzz/subject.js";
import { describeSweep, sweep } from "../fuzz/sweep.js";
import { sweepImage, sweepResults } from "../fuzz/sweep-driver.js";
import { DEFAULT_ISA } from "../isa/extensions.js";

const SEED = 20_250_000;

/** Encodings by the modes in which they are legal. */
const KNOWN = [
  { bits: 0x00000013, text: "addi", modes: [0, 1, 3] },
  { bits: 0x4501, text: "c.li", modes: [0, 1, 3] },
  { bits: 0x02b57553, text: "fadd.d", modes: [0, 1, 3] },
  { bits: 0x02b55553, text: "fadd.d in a reserved rounding mode", modes: [] },
  { bits: 0x0000, text: "zero", modes: [] },
  { bits: 0xffffffff, text: "ones", modes: [] },
  { bits: 0x100022f3, text: "csrrs of sstatus", modes: [1, 3] },
  { bits: 0x300022f3, text: "csrrs of mstatus", modes: [3] },
  { bits: 0x00b50533, text: "add", modes: [0, 1, 3] },
];

describe("the sweep's driver", () => {
  it.each([0, 1, 3])("tells illegal encodings from legal ones in mode %i", async (mode) => {
    const result = await runSubject(
      sweepImage(
        KNOWN.map(({ bits }) => bits),
        mode,
      ),
      "interpreter",
    );
    const illegal = result.kind === "ended" ? sweepResults(result.ram, KNOWN.length) : [];
    const expected = KNOWN.map(({ text, modes }) => [text, !modes.includes(mode)]);
    expect(KNOWN.map(({ text }, n) => [text, illegal[n]])).toEqual(expected);
  });
});

describeOnlineOnAmd64("encodings are as legal as on QEMU", () => {
  let qemu: Qemu;

  beforeAll(async () => {
    qemu = await obtainQemu();
  });

  // `npm run fuzz:isa -- --sweep` tries all.
  it.each([
    { isa: DEFAULT_ISA, stride: 16, random: 20_000 },
    { isa: "rv64imac_zicsr_zifencei", stride: 64, random: 5000 },
    { isa: "rva22u64_zfh", stride: 64, random: 5000 },
  ])("$isa: all of 16 bits, and 32 bits by samples", async ({ isa, stride, random }) => {
    const found = await sweep(qemu, { isa, stride, random, seed: SEED });
    expect(describeSweep(found)).toBe("");
  });
});
