/** What the demo takes of a kernel's modules. */

/** Drivers that Debian has as modules, and what they stand on: virtio, NVMe, e1000, 9p, and file systems for disks. */
export const DRIVERS: readonly string[] = [
  ...["nvme", "nvme-core", "nvme-auth", "nvme-keyring", "e1000"],
  ...["virtio_mmio", "virtio_blk", "virtio-rng", "virtio_net", "net_failover", "failover"],
  ...["vsock", "vmw_vsock_virtio_transport", "vmw_vsock_virtio_transport_common"],
  ...["9p", "9pnet", "9pnet_virtio", "netfs"],
  ...["ext4", "jbd2", "mbcache", "crc16", "crc32c_generic"],
];
