/** Takes files out of a .deb, with Debian's own tools. */
import { PassThrough } from "node:stream";
import { type RunResult, run } from "./child-process.js";

/**
 * Unpacks a .deb, or what of it `tarArgs` name.
 *
 * @param tarArgs arguments for tar behind `--extract`, the folder to unpack to among them
 * @returns how dpkg-deb and tar ended; whether that is a failure is the caller's to judge
 * @throws the signal's reason when aborted
 */
export async function extractDeb(deb: string, tarArgs: readonly string[], signal?: AbortSignal): Promise<RunResult[]> {
  const archive = new PassThrough();
  return Promise.all([
    run("dpkg-deb", ["--fsys-tarfile", deb], { output: archive, signal }),
    run("tar", ["--extract", "--no-same-owner", ...tarArgs], { input: archive, signal }),
  ]).finally(() => archive.destroy()); // what writes to a reader that never started would wait for ever
}
