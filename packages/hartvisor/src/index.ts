/** The virtual machine monitor you can import. */

export type { BlockBackend, NetworkBackend } from "@hartvisor/core";
export {
  type AccessKind,
  type DeviceReadEvent,
  type DeviceValueEvent,
  type ErrorCode,
  type ExitReason,
  type GuestEvent,
  type Hart,
  HartvisorError,
  type Hooks,
  type HypercallContext,
  type HypercallEvent,
  type HypercallExtension,
  type HypercallReturnEvent,
  type JitStats,
  type MachineEvents,
  type MachineLimits,
  type MachineStats,
  type MemoryEvent,
  type MemoryWatch,
  type PageTableEvent,
  type PrivilegedEvent,
  type SbiResult,
  type SyscallEvent,
} from "@hartvisor/core";
export {
  type ArchiveOptions,
  archiveTree,
  type BalloonStatistics,
  type ByteStream,
  blobDisk,
  defineHypercall,
  type E1000Options,
  type FileTree,
  type HttpDiskOptions,
  type HttpTreeOptions,
  httpDisk,
  httpTree,
  MemoryTree,
  type MemoryTreeOptions,
  memoryDisk,
  type NbdDiskOptions,
  NetworkSwitch,
  type NvmeOptions,
  nbdDisk,
  type OpenNbdStream,
  overlayDisk,
  type PciDevice,
  type Plug,
  type PortVlans,
  privateHypercalls,
  type StreamLink,
  type SwitchStats,
  sbiExtensions,
  streamLink,
  type UnionOptions,
  unionTree,
  type VirtioDevice,
  webSocketStream,
} from "@hartvisor/devices";
export type { TranslationUnit, TranslatorEvent, TranslatorListener, TranslatorOptions } from "@hartvisor/jit";
export { type BareMetalOptions, bareMetal } from "./boot/bare-metal.js";
export type { Boot, BootContext, BootRecipe } from "./boot/boot.js";
export { type LinuxOptions, linux, type NamedImage } from "./boot/linux.js";
export { type SupervisorOptions, supervisor } from "./boot/supervisor.js";
export { ConsolePort } from "./console/port.js";
export type { DemoImage } from "./demo/demo-image.js";
export { fetchDemoImage } from "./demo/fetch-image.js";
export { ROOT_TAG } from "./demo/root.js";
export {
  Balloon,
  type BalloonOptions,
  type ConsoleOptions,
  e1000,
  nvme,
  type PluggableDevice,
  Vsock,
  virtio9p,
  virtioBlock,
  virtioConsole,
  virtioFs,
  virtioNet,
  virtioRng,
} from "./devices.js";
export type { ExecOptions, ExecResult, GuestProcess, SpawnOptions } from "./exec/agent.js";
export { guestAgent } from "./exec/guest-agent.js";
export type { ExitStatus } from "./exec/job.js";
export { Machine } from "./machine.js";
export type { EngineName, MachineOptions, WorkerMachineOptions } from "./options.js";
export { type MemoryPool, type MemoryPoolOptions, memoryPool } from "./pool.js";
export type {
  PortableBalloon,
  PortableDevice,
  PortableDisk,
  PortableEntropy,
  PortableFolder,
  PortableNetwork,
} from "./thread/portable-devices.js";
export type {
  PortableArchive,
  PortableDirectory,
  PortableImage,
  PortableServedTree,
  PortableTree,
  PortableUnion,
} from "./thread/portable-trees.js";
export { WorkerHart, WorkerMachine, type WorkerMemory } from "./thread/worker-machine.js";
