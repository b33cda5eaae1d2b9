/** Where a machine's tables lie in its pool, and their first contents. */

import type { IsaSet } from "../../isa/extensions.js";
import { CONSTANTS, HART_SIZE, MAX_BREAKPOINTS, VM_FIELDS, VM_SIZE, vmOffset } from "../../isa/layout.js";
import { FRAME_SIZE, type FramePool } from "../memory/frame-pool.js";

const { CODE_PAGE_SIZE, FRAME_METADATA_SIZE, SECOND_ENTRIES, SECOND_LEVEL, TLB_BANKS, TLB_BANK_SIZE, TLB_ENTRY_SIZE } =
  CONSTANTS;
const { HOT_BLOCKS, HOT_BLOCK_SIZE, MAX_REGIONS, REGION_SIZE, SAMPLE_COUNTS, SAMPLE_COUNT_SIZE } = CONSTANTS;

/** Code pages of a machine: 64 MiB of decoded slots, the oldest of which make room. */
const CODE_PAGES = Math.floor((64 << 20) / CODE_PAGE_SIZE);
/** One bank more than is used: its fetch table stays empty. And the second level. */
const BANKS_SIZE = SECOND_LEVEL + SECOND_ENTRIES * TLB_ENTRY_SIZE;

export interface MachineShape {
  readonly ramBase: number;
  readonly ramPages: number;
  readonly hartCount: number;
  /** Whether its guest runs deprivileged: its harts come in pairs then. Default: no. */
  readonly deprivileged?: boolean;
  /** Frames beside guest memory, for the monitor of a deprivileged guest. Default: none. */
  readonly monitorFrames?: number;
}

/** Frames of a machine's own pool. */
export const framesOf = ({ ramPages, monitorFrames = 0 }: MachineShape): number => ramPages + monitorFrames;

/** Tables of a machine, each rounded up to frames. */
function tableSizes({ ramPages, hartCount, deprivileged = false }: MachineShape, frameCount: number) {
  return {
    vm: VM_SIZE,
    harts: hartCount * HART_SIZE,
    virtualHarts: deprivileged ? hartCount * HART_SIZE : 0,
    banks: hartCount * BANKS_SIZE,
    physicalToFrame: ramPages * 4,
    frameMetadata: frameCount * FRAME_METADATA_SIZE,
    codeOwner: CODE_PAGES * 4,
    breakpointAddresses: MAX_BREAKPOINTS * 8,
    sampleCounts: SAMPLE_COUNTS * SAMPLE_COUNT_SIZE,
    hotBlocks: HOT_BLOCKS * HOT_BLOCK_SIZE,
    regions: MAX_REGIONS * REGION_SIZE,
    interposedPages: ramPages,
    codeArena: CODE_PAGES * CODE_PAGE_SIZE,
  };
}

export type MachineTables = Readonly<Record<keyof ReturnType<typeof tableSizes>, number>>;

/** Bytes of tables that a machine of this shape needs in a pool of so many frames. Default: one of its own. */
export function tableBytes(shape: MachineShape, frameCount = framesOf(shape)): number {
  const sizes = Object.values(tableSizes(shape, frameCount));
  return sizes.reduce((sum, size) => sum + Math.ceil(size / FRAME_SIZE) * FRAME_SIZE, 0);
}

/** Lays a machine out in a pool and fills its VM block. */
export function layOut(pool: FramePool, shape: MachineShape, isa: IsaSet): MachineTables {
  const sizes = tableSizes(shape, pool.frameCount);
  const tables = Object.fromEntries(
    Object.entries(sizes).map(([name, size]) => [name, pool.allocateTable(size)]),
  ) as unknown as MachineTables;
  const view = new DataView(pool.memory.buffer, tables.vm, VM_SIZE);
  const values: Readonly<Record<string, number | bigint>> = {
    ramBase: shape.ramBase,
    ramPages: shape.ramPages,
    framesBase: pool.framesBase,
    hartCount: shape.hartCount,
    codePages: CODE_PAGES,
    misa: isa.misa,
    ...tables,
  };
  for (const { name, type, offset } of VM_FIELDS) {
    const value = values[name] ?? 0;
    if (type === "u64") view.setBigUint64(offset, BigInt(value), true);
    else view.setUint32(offset, Number(value), true);
  }
  new Uint8Array(pool.memory.buffer, tables.vm, VM_SIZE).set(isa.bytes, vmOffset("extensions"));
  // An empty TLB entry has a tag of all ones. The interpreter empties a bank when it takes it; the last is never taken.
  for (let hart = 0; hart < shape.hartCount; hart++) {
    const last = bankAddress(tables, hart) + TLB_BANKS * TLB_BANK_SIZE;
    new Uint8Array(pool.memory.buffer, last, bankAddress(tables, hart) + BANKS_SIZE - last).fill(0xff);
  }
  return tables;
}

/** Where a hart's block and its TLB banks lie. */
export const hartAddress = (tables: MachineTables, hart: number): number => tables.harts + hart * HART_SIZE;
/** Where the block of a deprivileged guest's virtual hart lies; the hart of that number runs its code. */
export const virtualHartAddress = (tables: MachineTables, hart: number): number =>
  tables.virtualHarts + hart * HART_SIZE;
export const bankAddress = (tables: MachineTables, hart: number): number => tables.banks + hart * BANKS_SIZE;
