/** A digest of files' contents, to tell whether work must be done again. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/** Folders that hold results, not sources. */
const SKIPPED = new Set(["node_modules", "dist", "generated"]);

/** Digest of files and of whole folders, given relative to a root; what does not exist counts as empty. */
export function digest(root, paths) {
  const hash = createHash("sha256").update(process.version);
  const add = (path) => {
    const full = join(root, path);
    if (!existsSync(full)) return;
    if (statSync(full).isDirectory()) {
      for (const name of readdirSync(full).sort()) if (!SKIPPED.has(name)) add(join(path, name));
    } else {
      hash.update(`${path}\0`).update(readFileSync(full)).update("\0");
    }
  };
  for (const path of paths) add(path);
  return hash.digest("hex");
}
