/** What machines can have of a Node process, or of Deno and Bun: `import { fileDisk, nat } from "hartvisor/node"`. */

export { type FileDiskOptions, fileDisk } from "./file-disk.js";
export { type HostDirectoryOptions, hostDirectory } from "./files/host-directory.js";
export { nat } from "./nat.js";
