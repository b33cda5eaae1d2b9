/**
 * The platform-level interrupt controller as SiFive and QEMU's `virt` board
 * place its registers (RISC-V PLIC specification 1.0.0): 95 level-triggered
 * sources, two contexts a hart, machine mode first. Devices drive its wires;
 * it drives the harts' external interrupts.
 */
import {
  type AccessWidth,
  type Device,
  type DeviceState,
  type DeviceTreeContext,
  type DeviceTreeNode,
  HartvisorError,
  Interrupt,
  type InterruptLine,
} from "@hartvisor/core";
import { type PlicState, parsePlicState, SOURCE_COUNT, SOURCE_WORDS } from "./persist.js";

/** Register blocks (specification, Memory Map). */
const PENDING = 0x1000;
const ENABLE = 0x2000;
const ENABLE_STRIDE = 0x80;
const CONTEXT = 0x20_0000;
const CONTEXT_STRIDE = 0x1000;
const THRESHOLD = 0;
const CLAIM = 4;

/** Priorities and thresholds have three bits, as QEMU's. */
const PRIORITY_MASK = 7;

/** Harts whose contexts fit into the register window. */
const MAX_HARTS = 512;

/** What a {@link Plic} is made of. */
export interface PlicOptions {
  /** 1 to 512. */
  readonly hartCount: number;
  /** The wire of each context, asked for once: context 2h is hart h's `mip.MEIP`, 2h+1 its `mip.SEIP`. */
  readonly output: (context: number) => InterruptLine;
  /** Guest-physical address. Default: 0x0c000000. */
  readonly base?: number;
}

/**
 * Platform-level interrupt controller. Registers are 32-bit words.
 *
 * @example
 * ```ts
 * const plic = new Plic({ hartCount: 1, output: (context) => externalInterruptOf(context >> 1, context & 1) });
 * const uart = new Uart16550({ output, interrupt: plic.line(10) });
 * ```
 */
export class Plic implements Device {
  readonly name = "plic";
  readonly base: number;
  readonly size = 0x60_0000;
  readonly #hartCount: number;
  readonly #outputs: readonly InterruptLine[];
  readonly #priority = new Uint8Array(SOURCE_COUNT);
  readonly #level = new Uint32Array(SOURCE_WORDS);
  readonly #pending = new Uint32Array(SOURCE_WORDS);
  readonly #inService = new Uint32Array(SOURCE_WORDS);
  readonly #enable: Uint32Array;
  readonly #threshold: Uint8Array;

  constructor(options: PlicOptions) {
    const { hartCount } = options;
    if (!Number.isInteger(hartCount) || hartCount < 1 || hartCount > MAX_HARTS) {
      throw new HartvisorError("invalid-argument", `a PLIC serves 1 to ${MAX_HARTS} harts, not ${hartCount}`);
    }
    this.#hartCount = hartCount;
    this.#outputs = Array.from({ length: 2 * hartCount }, (_, context) => options.output(context));
    this.#enable = new Uint32Array(SOURCE_WORDS * this.#outputs.length);
    this.#threshold = new Uint8Array(this.#outputs.length);
    this.base = options.base ?? 0x0c00_0000;
  }

  /**
   * The wire of a source, 1 to 95. A source has one wire: it belongs to one device.
   *
   * @throws HartvisorError `invalid-argument`: there is no such source.
   */
  line(source: number): InterruptLine {
    if (!Number.isInteger(source) || source < 1 || source >= SOURCE_COUNT) {
      throw new HartvisorError("invalid-argument", `a PLIC has sources 1 to ${SOURCE_COUNT - 1}, not ${source}`);
    }
    return { set: (level) => this.#drive(source, level) };
  }

  read(offset: number, width: AccessWidth): number {
    if (width !== 4 || (offset & 3) !== 0) return 0;
    if (offset < PENDING) return this.#priority[offset >> 2] ?? 0;
    if (offset < ENABLE) return this.#pending[(offset - PENDING) >> 2] ?? 0;
    if (offset < CONTEXT) return this.#enable[this.#enableIndex(offset)] ?? 0;
    const context = Math.floor((offset - CONTEXT) / CONTEXT_STRIDE);
    switch (offset % CONTEXT_STRIDE) {
      case THRESHOLD:
        return this.#threshold[context] ?? 0;
      case CLAIM:
        return context < this.#outputs.length ? this.#claim(context) : 0;
      default:
        return 0;
    }
  }

  write(offset: number, width: AccessWidth, value: number): void {
    if (width !== 4 || (offset & 3) !== 0) return;
    if (offset < PENDING) {
      const source = offset >> 2;
      if (source !== 0 && source < SOURCE_COUNT) this.#priority[source] = value & PRIORITY_MASK;
    } else if (offset < ENABLE) {
      // Pending bits change only through gateways and claims.
    } else if (offset < CONTEXT) {
      const index = this.#enableIndex(offset);
      // Source 0 does not exist; its enable bit is hard-wired to zero.
      if (index < this.#enable.length) this.#enable[index] = index % SOURCE_WORDS === 0 ? value & ~1 : value;
    } else {
      const context = Math.floor((offset - CONTEXT) / CONTEXT_STRIDE);
      if (context >= this.#outputs.length) return;
      if (offset % CONTEXT_STRIDE === THRESHOLD) this.#threshold[context] = value & PRIORITY_MASK;
      else if (offset % CONTEXT_STRIDE === CLAIM) this.#complete(context, value);
    }
    this.#updateOutputs();
  }

  /** Forgets everything the guest wrote; what devices drive stays, and is pending again. */
  reset(): void {
    this.#priority.fill(0);
    this.#inService.fill(0);
    this.#pending.set(this.#level);
    this.#enable.fill(0);
    this.#threshold.fill(0);
    this.#updateOutputs();
  }

  save(): PlicState {
    return {
      version: 1,
      priority: this.#priority.slice(),
      level: this.#level.slice(),
      pending: this.#pending.slice(),
      inService: this.#inService.slice(),
      enable: this.#enable.slice(),
      threshold: this.#threshold.slice(),
    };
  }

  restore(state: DeviceState): void {
    const saved = parsePlicState(this.name, state, this.#outputs.length);
    this.#priority.set(saved.priority);
    this.#level.set(saved.level);
    this.#pending.set(saved.pending);
    this.#inService.set(saved.inService);
    this.#enable.set(saved.enable);
    this.#threshold.set(saved.threshold);
    this.#updateOutputs();
  }

  deviceTree(context: DeviceTreeContext): DeviceTreeNode[] {
    return [
      {
        name: `plic@${this.base.toString(16)}`,
        label: "plic",
        properties: {
          compatible: ["sifive,plic-1.0.0", "riscv,plic0"],
          reg: [BigInt(this.base), BigInt(this.size)],
          "#address-cells": 0,
          "#interrupt-cells": 1,
          "interrupt-controller": true,
          "interrupts-extended": Array.from({ length: this.#hartCount }, (_, hart) => {
            const controller = context.phandle(`cpu${hart}-intc`);
            return [controller, Interrupt.MachineExternal, controller, Interrupt.SupervisorExternal];
          }).flat(),
          "riscv,ndev": SOURCE_COUNT - 1,
        },
      },
    ];
  }

  #drive(source: number, level: boolean): void {
    if (testBit(this.#level, source) === level) return;
    assignBit(this.#level, source, level);
    // A gateway lets a request through and then no other until it is completed; it cannot take one back when the
    // wire falls (specification, Interrupt Gateways).
    if (level && !testBit(this.#inService, source)) {
      assignBit(this.#pending, source, true);
      this.#updateOutputs();
    }
  }

  /** Takes the best pending source of a context, whatever its threshold says (specification, Interrupt Claim Process). */
  #claim(context: number): number {
    const source = this.#bestSource(context);
    if (source !== 0) {
      assignBit(this.#pending, source, false);
      assignBit(this.#inService, source, true);
      this.#updateOutputs();
    }
    return source;
  }

  /** Opens a source's gateway again, if the context has the source enabled (specification, Interrupt Completion). */
  #complete(context: number, source: number): void {
    if (source === 0 || source >= SOURCE_COUNT || !testBit(this.#inService, source)) return;
    if (!testBit(this.#enable, context * 32 * SOURCE_WORDS + source)) return;
    assignBit(this.#inService, source, false);
    if (testBit(this.#level, source)) assignBit(this.#pending, source, true);
  }

  /** The pending and enabled source of the highest priority over 0, the lowest number among equals; 0 if there is none. */
  #bestSource(context: number): number {
    let best = 0;
    for (let word = 0; word < SOURCE_WORDS; word++) {
      let candidates = (this.#pending[word] ?? 0) & (this.#enable[context * SOURCE_WORDS + word] ?? 0);
      while (candidates !== 0) {
        const source = 32 * word + 31 - Math.clz32(candidates & -candidates);
        if (this.#priorityOf(source) > this.#priorityOf(best)) best = source;
        candidates &= candidates - 1;
      }
    }
    return best;
  }

  #updateOutputs(): void {
    for (let context = 0; context < this.#outputs.length; context++) {
      const level = this.#priorityOf(this.#bestSource(context)) > (this.#threshold[context] ?? 0);
      this.#outputs[context]?.set(level);
    }
  }

  #priorityOf(source: number): number {
    return this.#priority[source] ?? 0;
  }

  /** Index into the enable words, or one past every array for a word that no context has. */
  #enableIndex(offset: number): number {
    const context = Math.floor((offset - ENABLE) / ENABLE_STRIDE);
    const word = (offset % ENABLE_STRIDE) >> 2;
    return word < SOURCE_WORDS ? context * SOURCE_WORDS + word : Number.MAX_SAFE_INTEGER;
  }
}

function testBit(words: Uint32Array, bit: number): boolean {
  return (((words[bit >> 5] ?? 0) >>> (bit & 31)) & 1) === 1;
}

function assignBit(words: Uint32Array, bit: number, value: boolean): void {
  const mask = 1 << (bit & 31);
  const word = words[bit >> 5] ?? 0;
  words[bit >> 5] = value ? word | mask : word & ~mask;
}
