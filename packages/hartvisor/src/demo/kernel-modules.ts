/**
 * Kernel modules as a root file system holds them: the files, and the indices by which `modprobe` finds what a
 * module depends on and which module drives a device. Debian makes the indices with depmod when a kernel is
 * installed; here they come from what the modules say of themselves (their ELF section `.modinfo`).
 */
import type { CpioEntry } from "./cpio.js";

/** A module, not compressed. */
export interface KernelModule {
  /** File name without its suffix. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** What a module says of itself. */
export interface ModuleInfo {
  /** Modules that must be loaded before it, by the names that they give themselves. */
  readonly depends: readonly string[];
  /** Patterns of devices, file systems and the like that it serves. */
  readonly aliases: readonly string[];
}

/** Reads the NUL-terminated `key=value` strings of a module. */
export function moduleInfo(bytes: Uint8Array): ModuleInfo {
  const text = new TextDecoder("latin1").decode(bytes);
  const values = (key: string) =>
    [...text.matchAll(new RegExp(`\\0${key}=([^\\0]*)(?=\\0)`, "g"))].map(([, value = ""]) => value);
  return {
    depends: values("depends").flatMap((list) => list.split(",").filter((name) => name !== "")),
    aliases: values("alias"),
  };
}

/** The entries of an archive for the modules of a kernel version, in `lib/modules`. */
export function moduleEntries(kernelVersion: string, modules: readonly KernelModule[]): CpioEntry[] {
  if (modules.length === 0) return [];
  const directory = `lib/modules/${kernelVersion}`;
  const infos = new Map(modules.map(({ name, bytes }) => [canonical(name), { name, ...moduleInfo(bytes) }]));
  const dependencies = (name: string, found = new Set<string>()): Set<string> => {
    for (const depended of infos.get(canonical(name))?.depends ?? []) {
      if (!infos.has(canonical(depended)) || found.has(canonical(depended))) continue;
      found.add(canonical(depended));
      dependencies(depended, found);
    }
    return found;
  };
  const file = (name: string) => `${infos.get(canonical(name))?.name ?? name}.ko`;
  const dep = modules.map(({ name }) => `${[`${file(name)}:`, ...[...dependencies(name)].map(file)].join(" ")}\n`);
  const alias = [...infos.values()].flatMap(({ name, aliases }) =>
    aliases.map((each) => `alias ${each} ${canonical(name)}\n`),
  );
  return [
    { type: "directory", path: "lib" },
    { type: "directory", path: "lib/modules" },
    { type: "directory", path: directory },
    ...modules.map(({ name, bytes }): CpioEntry => ({ type: "file", path: `${directory}/${name}.ko`, content: bytes })),
    { type: "file", path: `${directory}/modules.dep`, content: dep.join("") },
    { type: "file", path: `${directory}/modules.alias`, content: alias.join("") },
    { type: "file", path: `${directory}/modules.symbols`, content: "" },
  ];
}

/** Modules are the same whether their names are written with `-` or `_`. */
function canonical(name: string): string {
  return name.replaceAll("-", "_");
}
