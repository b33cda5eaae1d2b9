/** Adapters of Node's, for a worker: each is a file of its own, because where there is no Node its imports fail. */
import { HartvisorError } from "@hartvisor/core";

/** Loads an adapter. Throws `unsupported` where this host has none. */
export async function hostAdapter<Module>(what: string, load: () => Promise<Module>): Promise<Module> {
  try {
    return await load();
  } catch (cause) {
    throw new HartvisorError("unsupported", `this host has no ${what} for a machine in a worker`, { cause });
  }
}
