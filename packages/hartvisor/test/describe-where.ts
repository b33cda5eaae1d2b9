/** Tests that need what not every host has: where it is missing they are listed as not run, with the reason. */
import { describe } from "vitest";

type Tests = () => void;

const offline = process.env.HARTVISOR_OFFLINE === "1" && "HARTVISOR_OFFLINE=1";
const notLinux = process.platform !== "linux" && "it is for Linux";
const notAmd64 = process.arch !== "x64" && "it is for Linux on amd64";

function describeUnless(reason: string | false, title: string, tests: Tests): void {
  if (reason === false) describe(title, tests);
  else describe.skip(`${title} (not run: ${reason})`, tests);
}

/** Tests that use the network once, and what they got from it afterwards. */
export function describeOnline(title: string, tests: Tests): void {
  describeUnless(offline, title, tests);
}

/** Tests of what only Linux has. */
export function describeOnLinux(title: string, tests: Tests): void {
  describeUnless(notLinux, title, tests);
}

/** Tests of what only Linux has, which use the network once. */
export function describeOnlineOnLinux(title: string, tests: Tests): void {
  describeUnless(offline || notLinux, title, tests);
}

/** Tests that run programs of Debian's for amd64, such as the QEMU that `obtainQemu` gets. */
export function describeOnlineOnAmd64(title: string, tests: Tests): void {
  describeUnless(offline || notLinux || notAmd64, title, tests);
}
