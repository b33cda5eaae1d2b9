/** What machines can have of a Node process, or of Deno and Bun: `import { fileDisk } from "hartvisor/node"`. */
export { type FileDiskOptions, fileDisk } from "./file-disk.js";
