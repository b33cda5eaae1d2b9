/** The machine of hartvisor: harts, memory, buses, time, the interpreter, and the interfaces that the other packages implement. */

export { disassemble } from "../isa/disassemble.js";
export { DEFAULT_ISA, type Extension, IsaSet } from "../isa/extensions.js";
export type { BlockBackend } from "./bus/block-backend.js";
export type { AccessWidth, Device, DeviceState, DeviceTreeContext } from "./bus/device.js";
export { Interrupt, type InterruptLine, type InterruptNumber, type WiredInterrupt } from "./bus/interrupt.js";
export type { FrameOffload, NetworkBackend, NetworkCard } from "./bus/network-backend.js";
export {
  DeviceTreeLabels,
  type EncodeDeviceTreeOptions,
  encodeDeviceTree,
  type MemoryReservation,
} from "./devicetree/encode.js";
export type { DeviceTreeNode, PropertyValue } from "./devicetree/node.js";
export type { HotBlock, TranslationHost, Translator, TranslatorFactory, TranslatorStats } from "./engine/translator.js";
export { type ErrorCode, HartvisorError } from "./error.js";
export {
  FirmwareEvent,
  type FirmwareEventCode,
  HartState,
  type HartStateNumber,
  type HypercallContext,
  type HypercallExtension,
  type HypercallMemory,
  SbiError,
  type SbiResult,
  type ShutdownRequest,
} from "./hypercall/extension.js";
export type {
  AccessKind,
  DeviceReadEvent,
  DeviceValueEvent,
  GuestEvent,
  Hooks,
  HypercallEvent,
  HypercallReturnEvent,
  MemoryEvent,
  MemoryWatch,
  PageTableEvent,
  PrivilegedEvent,
  SyscallEvent,
} from "./interpose/hooks.js";
export { type ElfImage, type ElfOptions, type ElfSegment, elf, isElf, type RamRange } from "./loader/elf.js";
export { type FlatImage, type FlatOptions, flat } from "./loader/flat.js";
export { type GuestStyles, NATIVE } from "./loader/guest-note.js";
export { checkInitrd, type InitrdFormat } from "./loader/initrd.js";
export { isLinuxImage, type LinuxImage, linuxImage } from "./loader/linux-image.js";
export { type Placement, type PlacementRequest, placeImages } from "./loader/placement.js";
export { CounterEvent, PROGRAMMABLE_COUNTERS } from "./machine/counter-events.js";
export type { MachineEvents } from "./machine/events.js";
export type { ExitReason } from "./machine/exit-reason.js";
export type { Hart, PrivilegeName } from "./machine/hart.js";
export { Machine } from "./machine/machine.js";
export {
  DEFAULT_MEMORY_BASE,
  type DebugConsole,
  isaOf,
  MAX_HARTS,
  MAX_MEMORY_BYTES,
  type MachineLimits,
  type MachineOptions,
} from "./machine/options.js";
export { type SharedPoolOptions, sharedPool } from "./machine/pool.js";
export type { JitStats, MachineStats } from "./machine/statistics.js";
export type { EntryPoint } from "./machine/vcpu.js";
export type { AddressTranslation, TranslationRequest, TranslationResult } from "./memory/address-translation.js";
export type { DmaMemory } from "./memory/dma.js";
export { FramePool } from "./memory/frame-pool.js";
export { GuestMemory } from "./memory/guest-memory.js";
export { formatByteSize, parseByteSize } from "./quantity.js";
export type { Clock } from "./time/clock.js";
export { TIMEBASE_HZ } from "./time/host-clock.js";
export type { ParavirtualStats } from "./virtualization/paravirtual.js";
export { checkStyles, TECHNIQUES, type TechniqueName, techniqueNamed } from "./virtualization/technique.js";
