/** Fetches the demo's image from where its package is served: what a page boots, without apt and without a file system. */
import { HartvisorError } from "@hartvisor/core";
import { assembleDemoImage, type DemoImage, readDemoParts } from "./demo-image.js";

/**
 * Fetches the image of a package that `hartvisor image pack` has made.
 *
 * @param base - address of the package's folder, with a slash at its end, such as the package's `base`
 * @throws HartvisorError `download-failed` for what is not there, or not whole
 * @throws the signal's reason when aborted
 * @example
 * import { base } from "@hartvisor/debian-linux";
 * const { kernel, initrd } = await fetchDemoImage(base);
 */
export async function fetchDemoImage(
  base: string | URL,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<DemoImage> {
  const read = async (name: string) => {
    const response = await fetch(new URL(name, base), signal === undefined ? {} : { signal });
    if (!response.ok) throw new Error(`${name}: ${response.status} ${response.statusText}`.trim());
    return new Uint8Array(await response.arrayBuffer());
  };
  try {
    const parts = await readDemoParts(read, []);
    if (parts === undefined) throw new Error("it is not whole, or of another version");
    return assembleDemoImage(parts);
  } catch (cause) {
    signal?.throwIfAborted();
    const { message } = cause as Error;
    throw new HartvisorError("download-failed", `cannot fetch Linux from ${base}: ${message}`, { cause });
  }
}
