/** Guests that begin in S-mode under the machine's own SBI, which every technique runs; and what of their state a technique must not change. */
import { assemble } from "../../isa/assemble.js";
import {
  type Hart,
  type HypercallExtension,
  Machine,
  type MachineOptions,
  type TechniqueName,
} from "../../src/index.js";
import { engine } from "./guest.js";
import { leaf, OPEN, OPEN_TO_USER, Pte, SCHEMES, type Scheme } from "./page-tables.js";

export const RAM = 0x80000000;
export const RAM_BYTES = 0x100000;
export const PROGRAM = RAM;
/** The guest's trap handler. */
export const HANDLER = RAM + 0x2000;
/** Where user programs lie. */
export const USER = RAM + 0x4000;
export const DATA = RAM + 0x8000;
/** The tables of {@link identitySpace}: the root, and one below the other. */
export const TABLES = RAM + 0x80000;

/** Techniques that run the guest's kernel deprivileged. */
export const DEPRIVILEGED: readonly TechniqueName[] = ["trap-and-emulate", "binary-translation"];

/** An SBI extension that gives back its argument plus one. */
const increment: HypercallExtension = {
  id: 0x0800_0001,
  name: "INCREMENT",
  call: (_function, [argument = 0n]) => ({ error: 0, value: argument + 1n }),
};

export interface SupervisedOptions extends Partial<MachineOptions> {
  readonly technique?: TechniqueName;
}

export class SupervisedGuest {
  readonly machine: Machine;

  constructor(machine: Machine) {
    this.machine = machine;
  }

  get hart(): Hart {
    return this.machine.harts[0] as Hart;
  }

  load(address: number, source: string): void {
    this.machine.memory.write(address, assemble(source));
  }

  write64(address: number, ...values: bigint[]): void {
    this.machine.memory.write(address, new Uint8Array(new BigUint64Array(values).buffer));
  }

  read64(address: number): bigint {
    const bytes = this.machine.memory.read(address, 8) ?? new Uint8Array(8);
    return new DataView(bytes.buffer).getBigUint64(0, true);
  }

  /** Everything that the guest could see, as text. */
  state(): string {
    const { hart } = this;
    const registers = Array.from({ length: 32 }, (_, n) => `x${n}=${hart.getRegister(n).toString(16)}`);
    const floats = Array.from({ length: 32 }, (_, n) => `f${n}=${hart.getFloatRegister(n).toString(16)}`);
    const values = VISIBLE_CSRS.map((name) => `${name}=${hart.getCsr(name).toString(16)}`);
    return [`pc=${hart.pc.toString(16)} ${hart.privilege}`, ...registers, ...floats, ...values].join("\n");
  }

  /** A digest of RAM. */
  memoryDigest(): number {
    const words = new Uint32Array((this.machine.memory.read(RAM, RAM_BYTES) as Uint8Array).buffer);
    return words.reduce((hash, word) => (Math.imul(hash, 31) + word) | 0, 7);
  }
}

const VISIBLE_CSRS = [
  ...["sstatus", "sie", "sip", "stvec", "sepc", "scause", "stval", "sscratch", "satp", "scounteren", "senvcfg"],
  ...["stimecmp", "fcsr", "time", "cycle", "instret"],
];

/** A machine whose hart 0 begins at {@link PROGRAM} in S-mode with every register zero. */
export async function supervised(program: string, options: SupervisedOptions = {}): Promise<SupervisedGuest> {
  const machine = await Machine.create({
    ...{ memoryBytes: RAM_BYTES, clock: "virtual", hypercalls: [increment], ...(await engine()) },
    ...options,
  });
  const guest = new SupervisedGuest(machine);
  guest.load(PROGRAM, program);
  machine.enterSupervisor(0, { address: BigInt(PROGRAM), opaque: 0n });
  return guest;
}

/**
 * Maps RAM to itself by 4 KiB pages, the {@link USER} page and all from {@link DATA} to the tables for U-mode, the rest
 * for S-mode; gives satp. The last table's entries begin at {@link lastTable}.
 */
export function identitySpace(guest: SupervisedGuest, scheme: Scheme = SCHEMES[0]): bigint {
  let table = TABLES;
  for (let level = scheme.levels - 1; level > 0; level--) {
    const index = (RAM >>> 0) / 2 ** (12 + 9 * level);
    guest.write64(table + (Math.floor(index) % 512) * 8, leaf(table + 0x1000, Pte.V));
    table += 0x1000;
  }
  for (let page = 0; page < RAM_BYTES / 4096; page++) {
    const address = RAM + page * 4096;
    const isUser = address === USER || (address >= DATA && address < TABLES);
    guest.write64(table + page * 8, leaf(address, isUser ? OPEN_TO_USER : OPEN));
  }
  return (scheme.mode << 60n) | BigInt(TABLES >>> 12);
}

/** The table of level 0 that {@link identitySpace} makes. */
export const lastTable = (scheme: Scheme = SCHEMES[0]): number => TABLES + (scheme.levels - 1) * 4096;
