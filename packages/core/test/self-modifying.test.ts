import { beforeEach, describe, expect, it } from "vitest";
import { assemble } from "../isa/assemble.js";
import { disassemble } from "../isa/disassemble.js";
import { evaluate, type ModelHart, type ModelMemory } from "../isa/evaluate/evaluator.js";
import type { MemoryWidth } from "../isa/instruction.js";
import { compressed } from "../isa/table/compressed.js";
import { instructionNamed, instructions } from "../isa/table.js";
import { Random } from "./float/operands.js";
import { createTestHart, RAM_BASE, type TestHart } from "./harness.js";
import { CaseMaker } from "./row-cases.js";

const SEED = Number(process.env.HARTVISOR_ROWS_SEED ?? 0x5eed);
const PROGRAMS = 500;
const LONGEST = 200;
const RAM_SIZE = 0x8000;
/** Two pages of code, in frames that are no neighbours. */
const CODE = { base: RAM_BASE + 0x2000, size: 0x2000 };
const MIDDLE = CODE.base + CODE.size / 2;
const TRAP_VECTOR = RAM_BASE + 0x1000;
const JUMP_TO_ITSELF = assemble("c.j .+0");
const EBREAK = 0x9002;
const [MTVEC, MEPC] = [0x305, 0x341];

let hart: TestHart;
beforeEach(async () => {
  hart = await createTestHart(RAM_SIZE);
  hart.swapFrames(MIDDLE, RAM_BASE + 0x6000);
  hart.writeMemory(TRAP_VECTOR, JUMP_TO_ITSELF);
  hart.writeCsr(MTVEC, BigInt(TRAP_VECTOR));
});

/** Runs assembly code at decoded speed up to its `ebreak`. */
function runToBreak(source: string): void {
  hart.writeMemory(CODE.base, assemble(source));
  hart.setPc(BigInt(CODE.base));
  hart.run(100, "free");
}

describe("an instruction that writes the line of code it lies in", () => {
  // Known to fail: atomics read the destination from their slot after their own write has emptied it.
  it.each(["amoadd.w a0, a1, (a2)", "lr.w a3, (a2)\nsc.w a0, a1, (a2)"])(
    "gives its result all the same: %s",
    (atomic) => {
      hart.setX(10, 42n);
      hart.setX(11, 1n);
      hart.setX(12, BigInt(CODE.base + 32));
      runToBreak(`${atomic}\nc.ebreak`);
      expect([hart.getX(0), hart.getX(10)]).toEqual([0n, 0n]);
    },
  );

  it("is followed by what it wrote", () => {
    hart.setX(12, BigInt(CODE.base));
    hart.setX(11, BigInt(EBREAK));
    runToBreak("sh a1, 4(a2)\nc.li a0, 1\nc.ebreak");
    expect(hart.readCsr(MEPC)).toBe(BigInt(CODE.base + 4));
  });

  it("changes the second half of an instruction that begins in the line before", () => {
    const start = CODE.base + 62;
    const run = (distance: number): bigint => {
      const bytes = assemble(`j .+${distance}`);
      hart.writeMemory(start + 2, bytes.subarray(2, 4)); // the distance lies there
      hart.setPc(BigInt(start));
      hart.run(10, "free");
      return hart.getX(10);
    };
    hart.writeMemory(start, assemble("j .+256"));
    for (const distance of [256, 512])
      hart.writeMemory(start + distance, assemble(`c.li a0, ${distance / 256}\nc.ebreak`));
    expect([run(256), run(512)]).toEqual([1n, 2n]);
  });
});

describe("code on a page that was written before it ran", () => {
  it("changes when it is written again", () => {
    hart.writeMemory(MIDDLE, assemble("c.li a0, 1\nc.jr ra"));
    hart.setX(11, BigInt(MIDDLE));
    hart.setX(12, 0x4509n); // c.li a0, 2
    runToBreak(`
      sh a2, 64(a1)    # makes the page writable for stores
      jalr ra, 0(a1)
      mv a3, a0
      sh a2, 0(a1)
      jalr ra, 0(a1)
      c.ebreak`);
    expect([hart.getX(13), hart.getX(10)]).toEqual([1n, 2n]);
  });
});

/** A copy of RAM; accesses outside it throw. */
class Image implements ModelMemory {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  read(address: bigint, width: MemoryWidth): bigint {
    return this.#slice(address, width).reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
  }

  write(address: bigint, width: MemoryWidth, value: bigint): void {
    this.#slice(address, width).forEach((_, n, slice) => {
      slice[n] = Number((value >> BigInt(8 * n)) & 0xffn);
    });
  }

  #slice(address: bigint, width: number): Uint8Array {
    const offset = Number(address) - RAM_BASE;
    if (!(offset >= 0 && offset + width <= RAM_SIZE)) throw new RangeError("not RAM");
    return this.bytes.subarray(offset, offset + width);
  }
}

/** What random programs are made of; jumps through registers would leave them at once. */
const ROWS = [
  ...instructions.filter(({ semantics, name }) => !["system", "csr"].includes(semantics.kind) && name !== "jalr"),
  ...compressed.filter(({ expandsTo }) => !["ebreak", "jalr"].includes(expandsTo)),
];
/** Rows that write memory, which come more often. */
const WRITERS = ROWS.filter((row) =>
  /^(store|amo)/.test(("syntax" in row ? row : instructionNamed(row.expandsTo)).semantics.kind),
);

function randomProgram(random: Random, maker: CaseMaker): Uint8Array {
  const halves = new Uint16Array(CODE.size / 2);
  for (let at = 0; at < halves.length; at++) {
    const word = random.below(40) === 0 ? EBREAK : maker.encodingOf(random.pick(random.below(3) ? ROWS : WRITERS).name);
    halves[at] = word;
    if ((word & 3) === 3) halves[++at] = word >>> 16;
  }
  return new Uint8Array(halves.buffer);
}

/** Lets the model run until it traps or leaves RAM; undefined if it goes on for too long, or beyond the model. */
function runModel(start: ModelHart, memory: Image): { hart: ModelHart; steps: number; trace: string[] } | undefined {
  let model = start;
  const trace: string[] = [];
  for (let steps = 0; steps < LONGEST; steps++) {
    try {
      trace.push(`0x${model.pc.toString(16)}: ${disassemble(Number(memory.read(model.pc, 4)), model.pc).text}`);
      const outcome = evaluate(model, memory);
      // Other system instructions do not trap, but the model cannot follow them.
      if (outcome.kind === "system" && !["ebreak", "ecall"].includes(outcome.helper)) return undefined;
      if (outcome.kind !== "retired") return { hart: model, steps, trace };
      model = outcome.hart;
    } catch {
      return { hart: model, steps, trace };
    }
  }
  return undefined;
}

describe(`programs that overwrite themselves (HARTVISOR_ROWS_SEED=${SEED})`, () => {
  // Known to fail for the same reason.
  it("run as on the evaluator", () => {
    const random = new Random(SEED);
    const maker = new CaseMaker(SEED);
    for (let n = 0; n < PROGRAMS; n++) {
      hart.writeMemory(CODE.base, randomProgram(random, maker));
      const pc = BigInt(MIDDLE + (random.below(0x80) - 0x40) * 2);
      const near = () => pc + BigInt(random.below(0x80) * 4 - 0x80);
      const x = Array.from({ length: 32 }, (_, register) => (register === 0 ? 0n : near()));
      const f = Array.from({ length: 32 }, () => random.bits(64));
      for (let register = 0; register < 32; register++) {
        hart.setX(register, x[register] ?? 0n);
        hart.setF(register, f[register] ?? 0n);
      }
      for (const field of ["fflags", "frm", "reservation"]) hart.setField(field, 0);
      hart.refresh();
      hart.setPc(pc);
      const memory = new Image(hart.readMemory(RAM_BASE, RAM_SIZE));
      const model = runModel({ pc, x, f, fflags: 0, frm: 0, reservation: undefined }, memory);
      if (model === undefined) continue;
      const exit = hart.run(model.steps + 20, "free");
      const all = (read: (register: number) => bigint) => Array.from({ length: 32 }, (_, register) => read(register));
      expect({
        trace: model.trace,
        pc: exit.kind === "budget" ? hart.readCsr(MEPC) : hart.getPc(),
        x: all(hart.getX),
        f: all(hart.getF),
        fflags: hart.getField("fflags"),
      }).toEqual({
        trace: model.trace,
        pc: model.hart.pc,
        x: model.hart.x,
        f: model.hart.f,
        fflags: model.hart.fflags,
      });
      expect(Buffer.compare(hart.readMemory(RAM_BASE, RAM_SIZE), memory.bytes)).toBe(0);
    }
  });
});
