import { beforeEach, describe, expect, it } from "vitest";
import { encode } from "../isa/encode.js";
import { evaluate, type ModelHart, type ModelMemory } from "../isa/evaluate/evaluator.js";
import { instructions } from "../isa/table.js";
import { Random } from "./float/operands.js";
import { createTestHart, RAM_BASE, type TestHart } from "./harness.js";

const DEVICE = 0x1000_0000n;
const SEED = 0x5eed;
const ROUNDS = 16;
const [MTVEC, MEPC, MCAUSE, MTVAL] = [0x305, 0x341, 0x342, 0x343];
const TRAP_VECTOR = BigInt(RAM_BASE + 0x1000);

let hart: TestHart;
beforeEach(async () => {
  hart = await createTestHart();
  hart.writeCsr(MTVEC, TRAP_VECTOR);
});

/** Prepares the hart for an access at 8 below x6, with this value in x5 and f5; gives the model of it. */
function prepare(word: number, value: bigint): ModelHart {
  hart.writeMemory(RAM_BASE, new Uint8Array(Uint32Array.of(word).buffer));
  hart.setPc(BigInt(RAM_BASE));
  hart.setX(5, value);
  hart.setF(5, value);
  hart.setX(6, DEVICE + 8n);
  const all = (read: (n: number) => bigint) => Array.from({ length: 32 }, (_, n) => read(n));
  return { pc: hart.getPc(), x: all(hart.getX), f: all(hart.getF), fflags: 0, frm: 0, reservation: undefined };
}

/** The model's memory: the instruction, and a device that gives one answer and keeps what it is told. */
class DeviceModel implements ModelMemory {
  readonly #word: number;
  readonly #answer: bigint;
  told: bigint | undefined;

  constructor(word: number, answer: bigint) {
    this.#word = word;
    this.#answer = answer;
  }

  read(address: bigint): bigint {
    if (address === DEVICE) return this.#answer;
    return BigInt((this.#word >>> (8 * (Number(address) - RAM_BASE))) & 0xffff);
  }

  write(_address: bigint, _width: number, value: bigint): void {
    this.told = value;
  }
}

const loads = instructions.flatMap(({ name, semantics }) =>
  semantics.kind === "load" ? [{ name, ...semantics }] : [],
);
const stores = instructions.flatMap(({ name, semantics }) =>
  semantics.kind === "store" ? [{ name, ...semantics }] : [],
);
/** The operand that is loaded or stored. */
function registerOf(row: (typeof loads)[number] | (typeof stores)[number]): string {
  if (row.kind === "load") return row.to === "f" ? "frd" : "rd";
  return row.from === "f" ? "frs2" : "rs2";
}

const atomics = instructions
  .filter(({ extensions }) => extensions.some((name) => name === "Zaamo" || name === "Zalrsc"))
  .map(({ name }) => name);

describe("an access to what is not RAM", () => {
  it.each(loads)("leaves before it happens, and commits the device's answer: $name", (row) => {
    const { name, width } = row;
    const random = new Random(SEED);
    const word = encode(name, { [registerOf(row)]: 5, rs1: 6, imm: -8 });
    for (let n = 0; n < ROUNDS; n++) {
      const model = prepare(word, random.bits(64));
      const answer = random.bits(width * 8);
      expect(hart.run(1)).toMatchObject({ kind: "mmio-read", address: DEVICE, width });
      expect([hart.getPc(), hart.getX(5), hart.getF(5)]).toEqual([model.pc, model.x[5], model.f[5]]);
      hart.complete(answer);
      const outcome = evaluate(model, new DeviceModel(word, answer));
      if (outcome.kind !== "retired") throw new Error(outcome.kind);
      const { pc, x, f } = outcome.hart;
      expect([hart.getPc(), hart.getX(5), hart.getF(5)]).toEqual([pc, x[5], f[5]]);
    }
  });

  it.each(loads.filter(({ to }) => to === "x"))("leaves x0 alone: $name", ({ name }) => {
    prepare(encode(name, { rd: 0, rs1: 6, imm: -8 }), 0n);
    hart.run(1);
    hart.complete(-1n);
    expect(hart.getX(0)).toBe(0n);
  });

  it.each(stores)("leaves with what the device is told: $name", (row) => {
    const { name, width } = row;
    const random = new Random(SEED);
    const word = encode(name, { [registerOf(row)]: 5, rs1: 6, imm: -8 });
    for (let n = 0; n < ROUNDS; n++) {
      const model = prepare(word, random.bits(64));
      const exit = hart.run(1);
      expect(exit).toMatchObject({ kind: "mmio-write", address: DEVICE, width });
      expect(hart.getPc()).toBe(model.pc);
      hart.complete();
      const device = new DeviceModel(word, 0n);
      evaluate(model, device);
      expect(BigInt.asUintN(width * 8, exit.value)).toBe(device.told);
      expect(hart.getPc()).toBe(model.pc + 4n);
    }
  });

  it.each([...loads, ...stores].filter(({ width }) => width > 1))(
    "is an access fault where it is misaligned: $name",
    (row) => {
      prepare(encode(row.name, { [registerOf(row)]: 5, rs1: 6, imm: -7 }), 0n);
      expect(hart.run(1).kind).toBe("budget");
      expect(hart.getPc()).toBe(TRAP_VECTOR);
      const trap = [MCAUSE, MTVAL, MEPC].map((csr) => hart.readCsr(csr));
      expect(trap).toEqual([row.kind === "load" ? 5n : 7n, DEVICE + 1n, BigInt(RAM_BASE)]);
    },
  );

  it.each(atomics)("is an access fault where it is atomic: %s", (name) => {
    prepare(encode(name, { rd: 5, rs1: 6, ...(name.startsWith("lr") ? {} : { rs2: 5 }) }), 0n);
    expect(hart.run(1).kind).toBe("budget");
    const trap = [MCAUSE, MTVAL, MEPC].map((csr) => hart.readCsr(csr));
    expect(trap).toEqual([name.startsWith("lr") ? 5n : 7n, DEVICE + 8n, BigInt(RAM_BASE)]);
  });
});
