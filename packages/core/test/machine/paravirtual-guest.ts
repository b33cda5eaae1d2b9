/** Guests that know they are deprivileged: programs that call their monitor, and calls that a test makes in their place. */
import { leaf, Pte, SCHEMES, type Scheme } from "./page-tables.js";
import {
  DATA,
  RAM,
  RAM_BYTES,
  type SupervisedGuest,
  type SupervisedOptions,
  supervised,
  TABLES,
} from "./supervised.js";

/** Number of the extension. */
export const HVP = 0x0848_5650;
export const Call = {
  Version: 0,
  SetVcpu: 1,
  Return: 2,
  SetRoot: 3,
  Pin: 4,
  Unpin: 5,
  Update: 6,
  Flush: 7,
  SetTimer: 8,
  Deliver: 9,
} as const;

/** Where a test's guest has its area. */
export const AREA = DATA + 0x1000;
/** Where its batches of updates lie. */
export const BATCH = DATA + 0x2000;
/** Words of the area, by their offset in bytes. */
export const Area = {
  epc: 0,
  cause: 8,
  value: 16,
  status: 24,
  pending: 32,
  enabled: 40,
  sp: 48,
  kernelSp: 56,
  a6: 64,
  a7: 72,
} as const;

/** A leaf that a paravirtual guest may have. */
export const LEAF = Pte.V | Pte.R | Pte.W | Pte.X | Pte.U | Pte.A | Pte.D;
export const pageOf = (address: number): bigint => BigInt(address / 4096);

/** A call in a program: its arguments lie in registers already. */
export const calling = (number: number, id = HVP): string => `li a6, ${number}\nli a7, ${id}\necall\n`;

export const paravirtual = (program: string, options: SupervisedOptions = {}): Promise<SupervisedGuest> =>
  supervised(program, { technique: "paravirtual", ...options });

/** Where the test's own calls are made from. */
const GATE = RAM + 0x6000;

export interface CallResult {
  readonly error: number;
  readonly value: bigint;
}

/** Makes a call as the guest's kernel, whatever the hart is about to do; its registers come back as they were. */
export function call({ machine }: SupervisedGuest, number: number, ...args: (bigint | number)[]): CallResult {
  const hart = machine.harts[0];
  if (hart === undefined) throw new RangeError("no hart");
  const { pc } = hart;
  const kept = [10, 11, 12, 13, 14, 15, 16, 17].map((register) => [register, hart.getRegister(register)] as const);
  for (let n = 0; n < 6; n++) hart.setRegister(10 + n, BigInt(args[n] ?? 0));
  hart.setRegister(16, BigInt(number));
  hart.setRegister(17, BigInt(HVP));
  hart.pc = BigInt(GATE);
  machine.step();
  const result = { error: Number(BigInt.asIntN(64, hart.getRegister(10))), value: hart.getRegister(11) };
  for (const [register, value] of kept) hart.setRegister(register, value);
  hart.pc = pc;
  return result;
}

/** A paravirtual guest whose test calls for it; translation is off. */
export async function callable(options: SupervisedOptions = {}): Promise<SupervisedGuest> {
  const guest = await paravirtual("j .+0", options);
  guest.load(GATE, "ecall\nj .+0");
  return guest;
}

/**
 * Writes tables from `root` on that map RAM to itself by 4 KiB pages, all open, and pins them; gives the root in the form of
 * {@link Call.SetRoot}. `isMapped` says which pages.
 */
export function pinIdentity(
  guest: SupervisedGuest,
  root = TABLES,
  scheme: Scheme = SCHEMES[0],
  isMapped: (address: number) => boolean = () => true,
): bigint {
  for (let level = scheme.levels - 1; level > 0; level--) {
    const table = root + (scheme.levels - 1 - level) * 4096;
    const index = Math.floor(RAM / 2 ** (12 + 9 * level)) % 512;
    guest.write64(table + index * 8, leaf(table + 4096, Pte.V));
  }
  const last = root + (scheme.levels - 1) * 4096;
  for (let page = 0; page < RAM_BYTES / 4096; page++) {
    const address = RAM + page * 4096;
    if (isMapped(address)) guest.write64(last + page * 8, leaf(address, LEAF));
  }
  for (let level = 0; level < scheme.levels; level++) {
    const { error } = call(guest, Call.Pin, pageOf(last - level * 4096), level);
    if (error !== 0) throw new Error(`level ${level} was not pinned: ${error}`);
  }
  return (scheme.mode << 60n) | pageOf(root);
}

/** The entry for an address in the lowest table of {@link pinIdentity}. */
export const entryFor = (address: number, root = TABLES, { levels }: Scheme = SCHEMES[0]): number =>
  root + (levels - 1) * 4096 + ((address - RAM) / 4096) * 8;

/** Tells the monitor where the area is, and where traps go. */
export const setVcpu = (guest: SupervisedGuest, entry: number, area = AREA): CallResult =>
  call(guest, Call.SetVcpu, area, entry);
