/**
 * A machine for tests of its behaviour: small assembled programs in its RAM,
 * handlers that stop where a trap leads, and time that is the count of
 * instructions. A program ends where it loops on one instruction (`j .+0`).
 */
import { expect } from "vitest";
import { assemble } from "../../isa/assemble.js";
import { integerRegisterNamed } from "../../isa/registers.js";
import { type ErrorCode, type Hart, Machine, type MachineOptions } from "../../src/index.js";

export const RAM = 0x80000000;
/** Where the program of a test begins. */
export const PROGRAM = RAM;
/** Handlers that stop: of traps to M-mode and to S-mode. */
export const M_VECTOR = RAM + 0x1000;
export const S_VECTOR = RAM + 0x2000;
/** What {@link Guest.enter} leaves M-mode with. */
const EXIT_FROM_MACHINE = RAM + 0x3000;
/** Free for data. */
export const DATA = RAM + 0x8000;
/** Free for page tables. */
export const TABLES = RAM + 0x80000;
const RAM_BYTES = 0x100000;

/** How a program runs: the fast way and its exact end, or every instruction on its own. */
export const PACES = ["in slices", "step by step"] as const;
export type Pace = (typeof PACES)[number];

export type Privilege = "user" | "supervisor" | "machine";
const MODES: Readonly<Record<Privilege, bigint>> = { user: 0n, supervisor: 1n, machine: 3n };

export const Cause = {
  FetchAccessFault: 1n,
  IllegalInstruction: 2n,
  Breakpoint: 3n,
  LoadMisaligned: 4n,
  LoadAccessFault: 5n,
  StoreMisaligned: 6n,
  StoreAccessFault: 7n,
  EcallFromUser: 8n,
  EcallFromSupervisor: 9n,
  EcallFromMachine: 11n,
  FetchPageFault: 12n,
  LoadPageFault: 13n,
  StorePageFault: 15n,
} as const;

export const INTERRUPT = 1n << 63n;

export const Status = {
  SIE: 1n << 1n,
  MIE: 1n << 3n,
  SPIE: 1n << 5n,
  MPIE: 1n << 7n,
  SPP: 1n << 8n,
  MPP: 3n << 11n,
  FS: 3n << 13n,
  MPRV: 1n << 17n,
  SUM: 1n << 18n,
  MXR: 1n << 19n,
  TVM: 1n << 20n,
  TW: 1n << 21n,
  TSR: 1n << 22n,
  SD: 1n << 63n,
} as const;

/** What a trap handler finds. */
export interface Trap {
  readonly cause: bigint;
  readonly pc: bigint;
  readonly value: bigint;
}

export interface GuestOptions extends Partial<MachineOptions> {
  readonly pace?: Pace;
  /** Leave PMP as after reset: nothing but M-mode gets at memory. Default: all of memory is open. */
  readonly closedMemory?: boolean;
}

export class Guest {
  readonly machine: Machine;
  readonly #pace: Pace;

  constructor(machine: Machine, pace: Pace) {
    this.machine = machine;
    this.#pace = pace;
  }

  get hart(): Hart {
    return this.machine.harts[0] as Hart;
  }

  /** Puts a program into RAM. */
  load(address: number, source: string): void {
    this.write(address, assemble(source));
  }

  write(address: number, bytes: Uint8Array): void {
    if (!this.machine.memory.write(address, bytes)) throw new RangeError(`0x${address.toString(16)} is not RAM`);
  }

  read(address: number, length: number): Uint8Array {
    const bytes = this.machine.memory.read(address, length);
    if (bytes === undefined) throw new RangeError(`0x${address.toString(16)} is not RAM`);
    return bytes;
  }

  write64(address: number, ...values: bigint[]): void {
    this.write(address, new Uint8Array(new BigUint64Array(values).buffer));
  }

  read64(address: number): bigint {
    return new DataView(this.read(address, 8).buffer).getBigUint64(0, true);
  }

  /** Sets integer registers by name. */
  set(registers: Readonly<Record<string, bigint | number>>, hart = this.hart): void {
    for (const [name, value] of Object.entries(registers)) {
      hart.setRegister(registerNumber(name), BigInt.asUintN(64, BigInt(value)));
    }
  }

  get(register: string, hart = this.hart): bigint {
    return hart.getRegister(registerNumber(register));
  }

  setCsrs(values: Readonly<Record<string, bigint | number>>): void {
    for (const [name, value] of Object.entries(values)) this.hart.setCsr(name, BigInt(value));
  }

  /** Sets bits of a CSR. */
  setBits(csr: string, bits: bigint): void {
    this.hart.setCsr(csr, this.hart.getCsr(csr) | bits);
  }

  /** Makes the hart begin at an address in a mode, by an mret; registers stay. */
  enter(mode: Privilege, address: number | bigint = PROGRAM): void {
    const { hart } = this;
    const kept = [10, 11, 12].map((register) => hart.getRegister(register));
    this.machine.enterMachine(0, { address: BigInt(EXIT_FROM_MACHINE), opaque: 0n });
    for (const [n, value] of kept.entries()) hart.setRegister(10 + n, value);
    hart.setCsr("mepc", BigInt(address));
    hart.setCsr("mstatus", (hart.getCsr("mstatus") & ~Status.MPP) | (MODES[mode] << 11n) | Status.MPIE);
    this.machine.step();
  }

  /** Runs until the program loops on one instruction, waits, or thousands of instructions are over. */
  run(): void {
    if (this.#pace === "in slices") {
      this.machine.step(6000);
      return;
    }
    for (let n = 0; n < 3000; n++) {
      const before = this.hart.pc;
      if (!this.machine.step() || this.hart.pc === before) return;
    }
  }

  /** Loads a program at {@link PROGRAM}, runs it in a mode, and gives what M-mode's handler finds. */
  trapOf(source: string, mode: Privilege = "machine"): Trap {
    this.load(PROGRAM, source);
    this.enter(mode);
    this.run();
    return this.machineTrap();
  }

  /** The trap that M-mode's handler stopped at; throws if there was none. */
  machineTrap(): Trap {
    this.#expectPc(M_VECTOR);
    return this.#trap("m");
  }

  supervisorTrap(): Trap {
    this.#expectPc(S_VECTOR);
    return this.#trap("s");
  }

  #trap(level: "m" | "s"): Trap {
    const [cause, pc, value] = ["cause", "epc", "tval"].map((name) => this.hart.getCsr(level + name));
    return { cause, pc, value } as Trap;
  }

  #expectPc(vector: number): void {
    const { pc } = this.hart;
    if (pc === BigInt(vector)) return;
    const trap = JSON.stringify(this.#trap("m"), (_, value) =>
      typeof value === "bigint" ? `0x${value.toString(16)}` : value,
    );
    throw new Error(
      `the hart is at 0x${pc.toString(16)}, not at 0x${vector.toString(16)}; M-mode's last trap: ${trap}`,
    );
  }
}

function registerNumber(name: string): number {
  const number = integerRegisterNamed.get(name);
  if (number === undefined) throw new RangeError(`there is no register ${name}`);
  return number;
}

/**
 * The engine under test: HARTVISOR_TEST_TRANSLATOR holds the options of a translator, as JSON, and every test of machines
 * runs with it; without, they are interpreted.
 */
export async function engine(): Promise<Pick<MachineOptions, "translator">> {
  const options = process.env.HARTVISOR_TEST_TRANSLATOR;
  if (options === undefined) return {};
  const { translator } = await import("../../../jit/src/index.js");
  return { translator: translator(JSON.parse(options)) };
}

/** Makes a machine whose hart 0 stands at {@link PROGRAM} in M-mode, with handlers in place. */
export async function createGuest({ pace = "in slices", closedMemory, ...options }: GuestOptions = {}): Promise<Guest> {
  const machine = await Machine.create({ memoryBytes: RAM_BYTES, clock: "virtual", ...(await engine()), ...options });
  const guest = new Guest(machine, pace);
  for (const vector of [M_VECTOR, S_VECTOR]) guest.load(vector, "j .+0");
  guest.load(EXIT_FROM_MACHINE, "mret");
  machine.enterMachine(0, { address: BigInt(PROGRAM), opaque: 0n });
  guest.setCsrs({ mtvec: M_VECTOR, stvec: S_VECTOR });
  if (!closedMemory) guest.setCsrs({ pmpaddr0: (1n << 54n) - 1n, pmpcfg0: 0x1f });
  return guest;
}

/** Counts in a0 for ever. */
export const SPIN = "addi a0, a0, 1\nj .-4";

/** A guest with a program in place. */
export async function guestWith(program: string, options: GuestOptions = {}): Promise<Guest> {
  const guest = await createGuest(options);
  guest.load(PROGRAM, program);
  guest.set({ a0: 0n });
  return guest;
}

/** An error of this code. */
export const code = (expected: ErrorCode) => expect.objectContaining({ name: "HartvisorError", code: expected });

/** Starts the machine and resolves at the next breakpoint, with the machine paused there. */
export async function toBreakpoint({ machine }: Guest): Promise<{ hart: number; address: bigint }> {
  const hit = new Promise<{ hart: number; address: bigint }>((resolve) => {
    const stop = machine.on("breakpoint", (event) => {
      stop();
      resolve(event);
    });
  });
  machine.start();
  const event = await hit;
  await machine.pause();
  return event;
}
