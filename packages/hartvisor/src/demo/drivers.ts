/** What the demo takes of a kernel's modules. */

/** Drivers that Debian has as modules: virtio, NVMe, e1000, VLANs, 9p, and file systems for disks. What they depend on comes along. */
export const DRIVERS: readonly string[] = [
  ...["nvme", "e1000", "8021q"],
  ...["virtio_mmio", "virtio_blk", "virtio-rng", "virtio_net", "vmw_vsock_virtio_transport", "virtio_balloon"],
  ...["9p", "9pnet_virtio"],
  // The kernel asks for the checksum by name when it mounts an ext4.
  ...["ext4", "crc32c_generic"],
];
