/**
 * `openssl speed` works for a second at each algorithm, so that not its time but its
 * output tells how fast it was: the lines that begin with "+F" (openssl-speed(1), `-mr`).
 */
import { geometricMean } from "../statistics.js";
import type { GuestProgram } from "./programs.js";

const ALGORITHMS = "sha256 aes-128-cbc ecdsap256";

/** The program, as {@link PROGRAMS} has it. */
export const openssl: GuestProgram = {
  name: "openssl",
  group: "real programs",
  command: `./measure /usr/bin/openssl speed -mr -elapsed -seconds 1 -bytes 8192 ${ALGORITHMS} && cat /tmp/output`,
  unitMs,
};

/**
 * The geometric mean of the times for a megabyte ("+F:number:name:bytes per second"), and for a signature and its
 * verification ("+F4:number:bits:signatures per second:verifications per second").
 *
 * @throws Error when the output has no such lines
 */
export function unitMs(output: string): number {
  const times: number[] = [];
  for (const [, line = ""] of output.matchAll(/^\+F:\d+:[\w-]+:([\d.]+)/gm)) times.push(1e9 / Number(line));
  for (const [, sign, verify] of output.matchAll(/^\+F4:\d+:\d+:([\d.]+):([\d.]+)/gm)) {
    times.push(1000 / Number(sign), 1000 / Number(verify));
  }
  if (times.length === 0) throw new Error(`openssl speed gave no figures: ${output.trim()}`);
  return geometricMean(times);
}
