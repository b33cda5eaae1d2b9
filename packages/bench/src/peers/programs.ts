/** The programs of the peers benchmark: what each is called, what the guest's shell runs, and which mean it counts in. */

/** Rows of the result's table; a geometric mean is taken of each. */
export const GROUPS = ["integer", "floating point", "real programs", "system", "boot"] as const;
export type Group = (typeof GROUPS)[number];

/** A program that says "@ready" after its warm-up and "@done" with its time (guests/peers/timing.h). */
export interface GuestProgram {
  readonly name: string;
  readonly group: Group;
  /** For the guest's shell, in the folder of the programs. */
  readonly command: string;
}

/** The name under which the boot of the demo's Debian stands in the table. */
export const BOOT = "boot";

/** A kernel, how often it runs before the clock is started, and how often under the clock: half a second or more in QEMU. */
const kernel = (group: Group, name: string, warmUps = 1, runs = 1): GuestProgram => {
  return { name, group, command: `./${name} ${warmUps} ${runs}` };
};

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
  kernel("system", "getppid"),
  kernel("system", "pipe"),
  kernel("system", "fault"),
  kernel("system", "spawn"),
];
