/** A read-only disk at a URL, fetched by HTTP range requests as the guest reads. */
import { type BlockBackend, HartvisorError } from "@hartvisor/core";
import { HttpFile, type HttpFileOptions, HttpSource } from "./http/http-file.js";

const SECTOR = 512;

/** How an {@link httpDisk} fetches. */
export interface HttpDiskOptions extends HttpFileOptions {}

/**
 * A disk behind a URL whose server knows range requests. The last sector is filled up with zeroes.
 *
 * @throws HartvisorError `unreadable-file`: the server does not answer, or not with ranges
 */
export async function httpDisk(url: string, options: HttpDiskOptions = {}): Promise<BlockBackend> {
  const source = new HttpSource(options);
  const file = await HttpFile.open(source, url);
  return {
    size: Math.ceil(file.size / SECTOR) * SECTOR,
    isReadOnly: true,
    read: (offset, into) => {
      into.fill(0, Math.max(0, Math.min(into.length, file.size - offset)));
      return file.readNow(offset, into) ? undefined : file.read(offset, into);
    },
    write: () => {
      throw new HartvisorError("unsupported", `${url} cannot be written`);
    },
    flush: () => {},
    close: async () => source.close(),
  };
}
