/**
 * SiFive's test device as on QEMU's `virt` board: one register whose writes
 * end or restart the machine. An operating system finds it as the syscon
 * behind `syscon-poweroff` and `syscon-reboot`; bare-metal tests write it
 * themselves.
 */
import type {
  AccessWidth,
  Device,
  DeviceState,
  DeviceTreeContext,
  DeviceTreeNode,
  ShutdownRequest,
} from "@hartvisor/core";
import { SavedFields } from "../saved-fields.js";

const FAIL = 0x3333;
const PASS = 0x5555;
const RESET = 0x7777;

const LABEL = "test-finisher";

/** What a {@link TestFinisher} is made of. */
export interface TestFinisherOptions {
  /** Called when the guest asks for an end; the machine stops after the current instruction. */
  readonly shutdown: (request: ShutdownRequest) => void;
  /** Guest-physical address. Default: 0x100000. */
  readonly base?: number;
}

/**
 * The finisher. The low 16 bits of a write say what: 0x5555 powers off,
 * 0x7777 resets, 0x3333 fails with the code in the high 16 bits. A failure
 * with code 0 exits with 1, so that no failure looks like a success.
 */
export class TestFinisher implements Device {
  readonly name = "test";
  readonly base: number;
  readonly size = 0x1000;
  readonly #shutdown: (request: ShutdownRequest) => void;

  constructor(options: TestFinisherOptions) {
    this.#shutdown = options.shutdown;
    this.base = options.base ?? 0x10_0000;
  }

  read(_offset: number, _width: AccessWidth): number {
    return 0;
  }

  write(offset: number, width: AccessWidth, value: number): void {
    if (offset !== 0 || width === 1) return;
    switch (value & 0xffff) {
      case PASS:
        this.#shutdown({ kind: "poweroff", exitCode: 0 });
        break;
      case FAIL:
        this.#shutdown({ kind: "poweroff", exitCode: value >>> 16 || 1 });
        break;
      case RESET:
        this.#shutdown({ kind: "reboot", cold: true });
        break;
      default:
        break;
    }
  }

  /** Does nothing: there is no state. */
  reset(): void {}

  save(): DeviceState {
    return { version: 1 };
  }

  restore(state: DeviceState): void {
    new SavedFields(this.name, state, 1, []);
  }

  deviceTree(context: DeviceTreeContext): DeviceTreeNode[] {
    const syscon = (name: string, value: number): DeviceTreeNode => ({
      name,
      properties: { compatible: `syscon-${name}`, regmap: context.phandle(LABEL), offset: 0, value },
    });
    return [
      {
        name: `test@${this.base.toString(16)}`,
        label: LABEL,
        properties: {
          compatible: ["sifive,test1", "sifive,test0", "syscon"],
          reg: [BigInt(this.base), BigInt(this.size)],
        },
      },
      syscon("poweroff", PASS),
      syscon("reboot", RESET),
    ];
  }
}
