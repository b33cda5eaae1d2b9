/** The machine of hartvisor: harts, memory, buses, time, the interpreter, and the interfaces that the other packages implement. */
export type { AccessWidth, Device, DeviceState, DeviceTreeContext } from "./bus/device.js";
export { Interrupt, type InterruptLine, type InterruptNumber } from "./bus/interrupt.js";
export type { DeviceTreeNode, PropertyValue } from "./devicetree/node.js";
export { type ErrorCode, HartvisorError } from "./error.js";
export {
  HartState,
  type HartStateNumber,
  type HypercallContext,
  type HypercallExtension,
  type HypercallMemory,
  SbiError,
  type SbiResult,
  type ShutdownRequest,
} from "./hypercall/extension.js";
export type { Clock } from "./time/clock.js";
