/** What a boot loader may do to a machine that is about to start. */
import type { Machine } from "@hartvisor/core";
import type { VirtBoard } from "../board/virt.js";
import type { SerialConsole } from "../console/serial-console.js";
import type { BareMetalOptions } from "./bare-metal.js";
import type { LinuxOptions } from "./linux.js";
import type { SupervisorOptions } from "./supervisor.js";

export interface BootContext {
  readonly machine: Machine;
  readonly board: VirtBoard;
  readonly console: SerialConsole;
}

/** Puts images into memory and says where harts begin. `linux(...)`, `supervisor(...)` and `bareMetal(...)` make them. */
export interface Boot {
  /** Whether the machine itself answers SBI calls; otherwise the guest brings its M-mode. */
  readonly hypercalls: boolean;
  /** Whether its guest may run an agent that answers `vm.exec`. Default: false. */
  readonly exec?: boolean;
  /** How to make the same loader on another thread. Default: there is no way. */
  readonly recipe?: BootRecipe;
  load(context: BootContext): void;
}

/** A loader as plain data. */
export type BootRecipe =
  | { readonly kind: "linux"; readonly options: LinuxOptions }
  | { readonly kind: "bareMetal"; readonly options: BareMetalOptions }
  | { readonly kind: "supervisor"; readonly options: SupervisorOptions };

/** Room that loaders leave for the device tree before its size is known. */
export const DEVICE_TREE_ROOM = 64 * 1024;
