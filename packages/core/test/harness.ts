/**
 * A lone hart over the interpreter's module, without scheduler, bus or
 * hypercalls, for tests that look at single instructions: state goes in and
 * out directly, and a run stops where the test says. RAM begins at
 * {@link RAM_BASE}; the hart starts in M-mode with floating point on.
 */
import { DEFAULT_ISA, IsaSet } from "../isa/extensions.js";
import { EXIT_NAMES } from "../isa/layout.js";
import { InterpreterInstance } from "../src/engine/interpreter.js";
import { HartState } from "../src/machine/hart-state.js";
import { bankAddress, hartAddress, layOut, tableBytes } from "../src/machine/layout-plan.js";
import { Vcpu } from "../src/machine/vcpu.js";
import { FRAME_SIZE, FramePool } from "../src/memory/frame-pool.js";
import { GuestMemory } from "../src/memory/guest-memory.js";

export const RAM_BASE = 0x80000000;

export type ExitName = (typeof EXIT_NAMES)[number];

/** How a run ends: exactly after so many instructions, or where straight-line code ends after them. */
export type Pace = "exact" | "free";

/** What an exit says of itself. */
export interface ExitRecord {
  readonly kind: ExitName;
  readonly address: bigint;
  readonly width: number;
  readonly value: bigint;
}

const MSTATUS_FS_INITIAL = 1n << 13n;

export async function createTestHart(ramBytes = 64 * FRAME_SIZE) {
  const shape = { ramBase: RAM_BASE, ramPages: ramBytes / FRAME_SIZE, hartCount: 1 };
  const pool = new FramePool({ frames: shape.ramPages, tableBytes: tableBytes(shape) });
  const host = { ticks: () => 0, entropy: () => 0, translate: () => 1, supplyFrame: () => 0, forgetRegions: () => {} };
  const { exports: interpreter } = await InterpreterInstance.create(pool.memory, host);
  const tables = layOut(pool, shape, IsaSet.parse(DEFAULT_ISA));
  const state = new HartState(pool.memory, hartAddress(tables, 0));
  const { address } = state;
  new Vcpu(0, state, interpreter).reset(bankAddress(tables, 0), tables.vm, {
    flags: 0,
    virtualTime: false,
    compressed: true,
    entropy: 0n,
  });
  const ram = new GuestMemory(pool, RAM_BASE, ramBytes, tables, {
    prepareHostWrite: (start, length) => interpreter.prepareHostWrite(tables.vm, start, length) !== 0,
    dropStoreEntries: (offset) => interpreter.dropStoreEntries(tables.vm, offset),
    dropTranslations: () => {
      interpreter.dropAllCode(tables.vm);
      interpreter.dropAllBanks(address);
    },
    dropFrames: () => {},
    framesExhausted: () => {},
  });
  state.set64("mstatus", MSTATUS_FS_INITIAL);
  state.pc = BigInt(RAM_BASE);

  return {
    setX: (register: number, value: bigint) => state.setX(register, value),
    getX: (register: number): bigint => state.getX(register),
    setF: (register: number, value: bigint) => state.setF(register, value),
    getF: (register: number): bigint => state.getF(register),
    setPc: (value: bigint) => {
      state.pc = value;
    },
    getPc: (): bigint => state.pc,

    /** CSRs as M-mode sees them, by number. */
    readCsr: (number: number): bigint => BigInt.asUintN(64, interpreter.readCsr(address, number)),
    writeCsr: (number: number, value: bigint) => interpreter.writeCsr(address, number, value),

    /** A field of the hart's block, by its name in `isa/layout.ts`; privilege changes need {@link refresh}. */
    getField: (name: string): number => state.get32(name),
    setField: (name: string, value: number) => state.set32(name, value),
    /** Derives anew what depends on mstatus, privilege and the float CSRs, after {@link setField}. */
    refresh: () => {
      interpreter.selectBanks(address);
      interpreter.updateFloatFast(address);
    },

    /** The address that load-reserved holds, or undefined. */
    getReservation: (): bigint | undefined => {
      const machine = state.get32("reservation");
      for (let page = RAM_BASE; machine !== 0 && page < RAM_BASE + ramBytes; page += FRAME_SIZE) {
        const offset = machine - ram.machineOffset(page);
        if (offset >= 0 && offset < FRAME_SIZE) return BigInt(page + offset);
      }
      return undefined;
    },
    setReservation: (at: bigint | undefined) => {
      state.set32("reservation", at === undefined ? 0 : ram.machineOffset(Number(at)));
    },

    /** Copies out of RAM; throws a RangeError outside it. */
    readMemory: (at: number, length: number): Uint8Array => {
      const copy = ram.read(at, length);
      if (copy === undefined) throw new RangeError(`0x${at.toString(16)} is not RAM`);
      return copy;
    },
    /** Writes RAM as a device would, decoded code included; throws a RangeError outside it. */
    writeMemory: (at: number, content: Uint8Array) => {
      if (!ram.write(at, content)) throw new RangeError(`0x${at.toString(16)} is not RAM`);
    },
    /** Exchanges the frames behind two pages, given by their addresses, so that neighbours do not lie side by side. */
    swapFrames: (one: number, other: number) => {
      const [a, b] = [one, other].map((at) => Math.floor((at - RAM_BASE) / FRAME_SIZE)) as [number, number];
      const [frameOfA, frameOfB] = [ram.frameOf(a), ram.frameOf(b)];
      ram.remap(a, frameOfB);
      ram.remap(b, frameOfA);
    },

    /** Runs the hart; gives the exit it ended with. */
    run: (instructions: number, pace: Pace = "exact"): ExitRecord => {
      const kind = EXIT_NAMES[interpreter.run(address, instructions, pace === "exact" ? 1 : 0)];
      if (kind === undefined) throw new RangeError("an exit of no known kind");
      return {
        kind,
        address: state.get64("exitAddress"),
        width: state.get32("exitWidth"),
        value: state.get64("exitValue"),
      };
    },
    /** Commits the instruction that left with an exit; a load gets this value. */
    complete: (value?: bigint) => {
      if (value !== undefined) state.set64("exitValue", BigInt.asUintN(64, value));
      interpreter.complete(address, value === undefined ? 0 : 1);
    },
  };
}

export type TestHart = Awaited<ReturnType<typeof createTestHart>>;
