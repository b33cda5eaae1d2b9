/**
 * An ACLINT with MSWI and MTIMER in the places of the SiFive CLINT (RISC-V
 * ACLINT specification 1.0, chapters 2 and 3): machine-mode software
 * interrupts and the machine timer. It only holds the registers: the machine
 * owns the time and compares it with the deadlines that it is told here.
 */
import {
  type AccessWidth,
  type Clock,
  type Device,
  type DeviceState,
  type DeviceTreeContext,
  type DeviceTreeNode,
  HartvisorError,
  Interrupt,
} from "@hartvisor/core";
import { type AclintState, parseAclintState } from "./persist.js";

const MSIP = 0x0;
const MTIMECMP = 0x4000;
const MTIME = 0xbff8;
/** How many `mtimecmp` registers fit below `mtime`. */
const MAX_HARTS = (MTIME - MTIMECMP) / 8;
/** `mtimecmp` after reset: as far away as can be, because the specification leaves it open and a pending timer surprises. */
const NEVER = 0xffff_ffff_ffff_ffffn;

/** The signals of the harts that an {@link Aclint} drives. Driving one to what it already is does nothing. */
export interface AclintHarts {
  /** Drives a hart's `mip.MSIP`. */
  setMachineSoftware(hart: number, level: boolean): void;
  /** `mip.MTIP` of the hart is from now on whether `mtime` is at or past the deadline, unsigned. */
  setMachineTimer(hart: number, deadline: bigint): void;
}

/** What an {@link Aclint} is made of. */
export interface AclintOptions {
  /** 1 to 4095. */
  readonly hartCount: number;
  readonly harts: AclintHarts;
  /** `mtime` is its `ticks()`. */
  readonly clock: Clock;
  /** Makes `clock.ticks()` go on from this value, because the guest wrote `mtime`. Default: such writes are ignored. */
  readonly setTime?: (ticks: bigint) => void;
  /** Guest-physical address. Default: 0x02000000. */
  readonly base?: number;
}

/**
 * Core-local interruptor: software interrupts and timer of machine mode.
 * Registers are accessed as 32-bit words or, the timer's, 64-bit.
 */
export class Aclint implements Device {
  readonly name = "clint";
  readonly base: number;
  readonly size = 0x10000;
  readonly #harts: AclintHarts;
  readonly #clock: Clock;
  readonly #setTime: (ticks: bigint) => void;
  readonly #msip: Uint8Array;
  readonly #mtimecmp: BigUint64Array;

  constructor(options: AclintOptions) {
    const { hartCount } = options;
    if (!Number.isInteger(hartCount) || hartCount < 1 || hartCount > MAX_HARTS) {
      throw new HartvisorError("invalid-argument", `an ACLINT serves 1 to ${MAX_HARTS} harts, not ${hartCount}`);
    }
    this.#harts = options.harts;
    this.#clock = options.clock;
    this.#setTime = options.setTime ?? (() => {});
    this.base = options.base ?? 0x0200_0000;
    this.#msip = new Uint8Array(hartCount);
    this.#mtimecmp = new BigUint64Array(hartCount).fill(NEVER);
  }

  read(offset: number, width: AccessWidth): number {
    if (width !== 4 || (offset & 3) !== 0) return 0;
    if (offset < MTIMECMP) return this.#msip[(offset - MSIP) >> 2] ?? 0;
    const value = this.read64(offset & ~7);
    return Number(offset & 4 ? value >> 32n : value & 0xffff_ffffn);
  }

  write(offset: number, width: AccessWidth, value: number): void {
    if (width !== 4 || (offset & 3) !== 0) return;
    if (offset < MTIMECMP) {
      this.#setSoftware((offset - MSIP) >> 2, value & 1);
      return;
    }
    const old = this.read64(offset & ~7);
    const half = BigInt(value);
    this.write64(offset & ~7, offset & 4 ? (half << 32n) | (old & 0xffff_ffffn) : (old & ~0xffff_ffffn) | half);
  }

  read64(offset: number): bigint {
    if (offset < MTIMECMP) return (BigInt(this.read(offset + 4, 4)) << 32n) | BigInt(this.read(offset, 4));
    if (offset === MTIME) return BigInt.asUintN(64, this.#clock.ticks());
    return this.#mtimecmp[(offset - MTIMECMP) >> 3] ?? 0n;
  }

  write64(offset: number, value: bigint): void {
    if (offset < MTIMECMP) {
      this.write(offset, 4, Number(value & 0xffff_ffffn));
      this.write(offset + 4, 4, Number(value >> 32n));
    } else if (offset === MTIME) {
      this.#setTime(value);
    } else {
      this.#setDeadline((offset - MTIMECMP) >> 3, value);
    }
  }

  /** Clears every software interrupt and puts every deadline out of reach; time goes on. */
  reset(): void {
    for (let hart = 0; hart < this.#msip.length; hart++) {
      this.#setSoftware(hart, 0);
      this.#setDeadline(hart, NEVER);
    }
  }

  save(): AclintState {
    return { version: 1, msip: this.#msip.slice(), mtimecmp: this.#mtimecmp.slice() };
  }

  restore(state: DeviceState): void {
    const saved = parseAclintState(this.name, state, this.#msip.length);
    saved.msip.forEach((msip, hart) => {
      this.#setSoftware(hart, msip);
    });
    saved.mtimecmp.forEach((deadline, hart) => {
      this.#setDeadline(hart, deadline);
    });
  }

  deviceTree(context: DeviceTreeContext): DeviceTreeNode[] {
    return [
      {
        name: `clint@${this.base.toString(16)}`,
        properties: {
          compatible: ["sifive,clint0", "riscv,clint0"],
          reg: [BigInt(this.base), BigInt(this.size)],
          "interrupts-extended": Array.from(this.#msip, (_, hart) => {
            const controller = context.phandle(`cpu${hart}-intc`);
            return [controller, Interrupt.MachineSoftware, controller, Interrupt.MachineTimer];
          }).flat(),
        },
      },
    ];
  }

  #setSoftware(hart: number, msip: number): void {
    if (hart >= this.#msip.length) return;
    this.#msip[hart] = msip;
    this.#harts.setMachineSoftware(hart, msip === 1);
  }

  #setDeadline(hart: number, deadline: bigint): void {
    if (hart >= this.#mtimecmp.length) return;
    this.#mtimecmp[hart] = deadline;
    this.#harts.setMachineTimer(hart, deadline);
  }
}
