/**
 * The devices of hartvisor machines. `full` devices are those of real boards,
 * which an unmodified operating system knows, with the register maps of QEMU's
 * `virt`; `para` holds virtio and the hypercalls, which a cooperating guest
 * uses; `backends` says where the bytes of a device go.
 */
import type { HypercallExtension } from "@hartvisor/core";
import { sbiBase } from "./para/sbi/base.js";
import { sbiDbcn } from "./para/sbi/dbcn.js";
import { sbiHsm } from "./para/sbi/hsm.js";
import { sbiIpi } from "./para/sbi/ipi.js";
import { sbiPmu } from "./para/sbi/pmu.js";
import { sbiRfence } from "./para/sbi/rfence.js";
import { sbiSrst } from "./para/sbi/srst.js";
import { sbiSta } from "./para/sbi/sta.js";
import { sbiSusp } from "./para/sbi/susp.js";
import { sbiTime } from "./para/sbi/time.js";

export { blobDisk } from "./backends/blob-disk.js";
export { type ArchiveOptions, archiveTree } from "./backends/files/archive/archive-tree.js";
export type { ArchiveEntry } from "./backends/files/archive/entry.js";
export { tarEntries } from "./backends/files/archive/tar.js";
export { Errno, type ErrnoName, errnoOf, FileError } from "./backends/files/errno.js";
export { type HttpTreeOptions, httpTree, INDEX_FILE } from "./backends/files/http/http-tree.js";
export {
  INDEX_FORMAT,
  INDEX_VERSION,
  type IndexEntry,
  type IndexEntryType,
  type TreeIndex,
} from "./backends/files/http/tree-index.js";
export { after, type Later, perform, type Steps, wait } from "./backends/files/later.js";
export { MemoryDirectory } from "./backends/files/memory-directory.js";
export { type FileContent, MemoryFile } from "./backends/files/memory-file.js";
export { MemoryNode } from "./backends/files/memory-node.js";
export { hostTime, MemoryTree, type MemoryTreeOptions } from "./backends/files/memory-tree.js";
export { bytesFromName, checkName, hasEscapes, nameFromBytes } from "./backends/files/names.js";
export {
  type AllocateMode,
  type DirectoryEntry,
  type DirectoryReader,
  FileNode,
  type FileStat,
  type FileTime,
  type FileTree,
  FileType,
  type NewNode,
  type NewOpenFile,
  type OpenFile,
  type OpenMode,
  PERMISSION_BITS,
  type RenameFlags,
  type StatChanges,
  type TreeRoom,
  TYPE_BITS,
} from "./backends/files/tree.js";
export { type UnionOptions, unionTree } from "./backends/files/union-tree.js";
export type { HttpClientOptions, HttpRequest } from "./backends/http/http-client.js";
export type { HttpFileOptions } from "./backends/http/http-file.js";
export { type HttpDiskOptions, httpDisk } from "./backends/http-disk.js";
export { memoryDisk } from "./backends/memory-disk.js";
export type {
  HostListener,
  HostNetwork,
  HostTcpEvents,
  HostTcpSocket,
  HostUdpSocket,
} from "./backends/nat/host-network.js";
export { MAX_CONNECTIONS, type NatNetwork, type NatOptions, natNetwork, type PortForward } from "./backends/nat/nat.js";
export { formatIpv4, type Ipv4, parseIpv4 } from "./backends/nat/packet.js";
export { type NetworkPolicy, PRIVATE_NETWORKS } from "./backends/nat/policy.js";
export { TCP_WINDOW } from "./backends/nat/tcp.js";
export { type NbdDiskOptions, nbdDisk } from "./backends/nbd/nbd-disk.js";
export type { NbdStream, NbdStreamEvents, OpenNbdStream } from "./backends/nbd/stream.js";
export { isNbdUri, type NbdAddress, parseNbdUri } from "./backends/nbd/uri.js";
export { overlayDisk } from "./backends/overlay-disk.js";
export type { DropReason, PortVlans } from "./backends/switch/port.js";
export { type ByteStream, type StreamLink, streamLink, webSocketStream } from "./backends/switch/stream-link.js";
export { NetworkSwitch, type Plug, type SwitchPort, type SwitchStats } from "./backends/switch/switch.js";
export { Aclint, type AclintHarts, type AclintOptions } from "./full/aclint/device.js";
export type { AclintState } from "./full/aclint/persist.js";
export { E1000, type E1000Options } from "./full/e1000/controller.js";
export type { E1000State } from "./full/e1000/persist.js";
export { GoldfishRtc, type GoldfishRtcOptions } from "./full/goldfish-rtc/device.js";
export type { GoldfishRtcState } from "./full/goldfish-rtc/persist.js";
export { NvmeController, type NvmeOptions } from "./full/nvme/controller.js";
export type { NvmeState } from "./full/nvme/persist.js";
export { Plic, type PlicOptions } from "./full/plic/device.js";
export type { PlicState } from "./full/plic/persist.js";
export { TestFinisher, type TestFinisherOptions } from "./full/test-finisher/device.js";
export { Uart16550, type Uart16550Options } from "./full/uart16550/device.js";
export type { Uart16550State } from "./full/uart16550/persist.js";
export { Virtio9p, type Virtio9pOptions } from "./para/9p/device.js";
export { VirtioBalloon, type VirtioBalloonOptions } from "./para/balloon/device.js";
export type { BalloonStatistics } from "./para/balloon/statistics.js";
export { VirtioBlock, type VirtioBlockOptions } from "./para/block/device.js";
export { type ConsolePortOptions, VirtioConsole, type VirtioConsoleOptions } from "./para/console/device.js";
export { VirtioFs, type VirtioFsOptions } from "./para/fs/device.js";
export type { FileCache } from "./para/fs/session.js";
export { Htif, type HtifMemory, type HtifOptions } from "./para/htif/device.js";
export { defineHypercall, type HypercallDefinition, type HypercallFunction } from "./para/hypercall/define.js";
export {
  type HostCall,
  MAX_BATCH,
  MAX_BATCH_BYTES,
  MAX_HOST_CALL_BYTES,
  PRIVATE_EXTENSION_ID,
  privateHypercalls,
} from "./para/hypercall/private.js";
export { VirtioNet, type VirtioNetOptions } from "./para/net/device.js";
export type { GuestTimer, PciBoard, PciDevice, PciFunction, PciRange } from "./para/pci/function.js";
export { PciHost, type PciHostOptions, PciIoWindow, PciMemoryWindow } from "./para/pci/host-bridge.js";
export { MAX_RNG_BYTES, VirtioRng, type VirtioRngOptions } from "./para/rng/device.js";
export { SBI_IMPLEMENTATION_ID } from "./para/sbi/base.js";
export { DescriptorChain } from "./para/virtio/descriptor-chain.js";
export { CommonFeature, featureBits, type VirtioContext, type VirtioDevice } from "./para/virtio/device.js";
export { VirtioMmio, type VirtioMmioOptions } from "./para/virtio/mmio.js";
export { VirtioPci, type VirtioPciOptions } from "./para/virtio/pci.js";
export { MAX_CHAIN_BUFFERS, SplitQueue, type SplitQueueState } from "./para/virtio/split-queue.js";
export { VSOCK_BUFFER, type VsockConnection } from "./para/vsock/connection.js";
export { MAX_VSOCK_CONNECTIONS, VirtioVsock, type VirtioVsockOptions } from "./para/vsock/device.js";
export { sbiBase, sbiDbcn, sbiHsm, sbiIpi, sbiPmu, sbiRfence, sbiSrst, sbiSta, sbiSusp, sbiTime };

/**
 * Every SBI 2.0 extension there is here. A machine may take fewer, or others
 * in their place: the guest finds by probing what is installed.
 *
 * @example
 * ```ts
 * const withoutConsole = sbiExtensions.filter(({ name }) => name !== "DBCN");
 * ```
 */
export const sbiExtensions: readonly HypercallExtension[] = [
  sbiBase,
  sbiTime,
  sbiIpi,
  sbiRfence,
  sbiHsm,
  sbiSrst,
  sbiDbcn,
  sbiSusp,
  sbiSta,
  sbiPmu,
];
