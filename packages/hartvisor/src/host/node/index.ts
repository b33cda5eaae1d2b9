/** What machines can have of a Node process, or of Deno and Bun: `import { fileDisk, nat } from "hartvisor/node"`. */

export { type FileDiskOptions, fileDisk } from "./file-disk.js";
export { type HostDirectoryOptions, hostDirectory } from "./files/host-directory.js";
export { type OciImageOptions, ociImage } from "./images/oci-import.js";
export { type Image, type ImageLayer, ImageStore, type NewImage } from "./images/store.js";
export { type ExportedTree, exportTree, type TreeExportOptions } from "./images/tree-export.js";
export { type JoinedSwitch, joinSwitch } from "./named-switch.js";
export { nat } from "./nat.js";
export { nbd } from "./nbd.js";
export { type LinkAddress, type LinkListener, linkTo, listenForLinks } from "./switch-link.js";
