/** The programs of the peers benchmark: what each is called, what the guest's shell runs, and which mean it counts in. */
import { openssl } from "./openssl-speed.js";

/** Rows of the result's table; a geometric mean is taken of each. */
export const GROUPS = ["integer", "floating point", "real programs", "system", "boot"] as const;
export type Group = (typeof GROUPS)[number];

/** A program that says "@ready" after its warm-up and "@done" with its time (guests/peers/timing.h). */
export interface GuestProgram {
  readonly name: string;
  readonly group: Group;
  /** For the guest's shell, in the folder of the programs. */
  readonly command: string;
  /** Set for a program that works for a fixed time: reads from its output how long a unit of its work takes, in ms. */
  readonly unitMs?: (output: string) => number;
}

/** The name under which the boot of the demo's Debian stands in the table. */
export const BOOT = "boot";

/** Debian packages that the real programs are in. */
export const DEBIAN_PACKAGES = ["openssl", "7zip", "gzip", "lua5.4", "python3-minimal", "sqlite3"];

/** A kernel, how often it runs before the clock is started, and how often under the clock: half a second or more in QEMU. */
const kernel = (group: Group, name: string, warmUps = 1, runs = 1): GuestProgram => {
  return { name, group, command: `./${name} ${warmUps} ${runs}` };
};

/** A program of Debian's, once as warm-up and once under the clock. */
const real = (name: string, command: string): GuestProgram => {
  return { name, group: "real programs", command: `./measure ${command}` };
};

/** Whether it is a program of Debian's, and not one of ours. */
export const isReal = ({ group }: GuestProgram): boolean => group === "real programs";

/** What is compressed: machine code of some size, the same for both. */
const LARGE_FILE = "/usr/lib/riscv64-linux-gnu/libcrypto.so.3";
const SMALL_FILE = "/usr/lib/riscv64-linux-gnu/libssl.so.3";
const ARCHIVE = "/tmp/archive.7z";

/** All programs that run in a booted guest, in the order in which they are run. */
export const PROGRAMS: readonly GuestProgram[] = [
  kernel("integer", "sort"),
  kernel("integer", "hash", 3, 5),
  kernel("integer", "matrix", 4, 6),
  kernel("integer", "string", 2, 2),
  kernel("integer", "chase-small", 2, 3),
  kernel("integer", "chase-large"),
  kernel("integer", "recursion", 1, 2),
  kernel("integer", "bytecode"),
  kernel("integer", "crc", 1, 2),
  kernel("floating point", "nbody"),
  kernel("floating point", "mandelbrot", 4, 6),
  kernel("floating point", "lu", 4, 6),
  kernel("floating point", "fft", 8, 16),
  openssl,
  real("7zip", `/bin/sh -c 'rm -f ${ARCHIVE}; /usr/lib/7zip/7zr a -mmt1 ${ARCHIVE} ${SMALL_FILE} && cat ${ARCHIVE}'`),
  real("gzip", `/usr/bin/gzip -nc ${LARGE_FILE}`),
  real("lua", "/usr/bin/lua5.4 scripts/work.lua"),
  real("python", "/usr/bin/python3 scripts/work.py"),
  real("sqlite", "/usr/bin/sqlite3 :memory: '.read scripts/work.sql'"),
  kernel("system", "getppid"),
  kernel("system", "pipe"),
  kernel("system", "fault"),
  kernel("system", "spawn"),
];
