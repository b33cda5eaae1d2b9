/** What a boot loader may do to a machine that is about to start. */
import type { Machine } from "@hartvisor/core";
import type { VirtBoard } from "../board/virt.js";
import type { SerialConsole } from "../console/serial-console.js";

export interface BootContext {
  readonly machine: Machine;
  readonly board: VirtBoard;
  readonly console: SerialConsole;
}

/** Puts images into memory and says where harts begin. `linux(...)` and `bareMetal(...)` make them. */
export interface Boot {
  /** Whether the machine itself answers SBI calls; otherwise the guest brings its M-mode. */
  readonly hypercalls: boolean;
  /** Whether its guest may run an agent that answers `vm.exec`. Default: false. */
  readonly exec?: boolean;
  load(context: BootContext): void;
}

/** Room that loaders leave for the device tree before its size is known. */
export const DEVICE_TREE_ROOM = 64 * 1024;
