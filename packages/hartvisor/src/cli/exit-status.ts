/** Exit statuses of the command, and which end of a machine leads to which. */
import type { ExitReason } from "@hartvisor/core";

export const ExitStatus = {
  Success: 0,
  /** The guest crashed; also a code that guests use for their own failures. */
  Crash: 1,
  /** Bad usage, or a file that cannot be used. */
  BadInput: 2,
  /** EX_SOFTWARE of sysexits.h: a bug of hartvisor. */
  Bug: 70,
  /** As timeout(1) has it. */
  LimitReached: 124,
  /** What `hartvisor exec` should run cannot be run; as shells have it. */
  NotFound: 127,
  /** Added to the number of a signal, as shells do. */
  Signal: 128,
} as const;

/** A process has eight bits to say how it ended. */
const HIGHEST = 255;

export const EXIT_STATUS_HELP = `
Exit status:
  0      the guest powered off, or you quit with Ctrl-A x
  1-255  the guest's code when it reports a failure, 255 for all above
  1      the guest crashed: no instruction of it can ever run again
  2      bad usage, or a file that cannot be used
  70     a bug of hartvisor
  124    --max-instructions was reached, or --timeout
  127    hartvisor exec: the guest cannot run the command
  128+n  signal n ended hartvisor; 141 when nobody reads its output any more

Environment:
  HARTVISOR_OFFLINE=1    never use the network
  HARTVISOR_DEBUG=1      show where an error arose`;

/** The status for the end of a machine, and a line for stderr where the status alone says too little. */
export function outcomeOf(reason: ExitReason): { readonly status: number; readonly message?: string } {
  switch (reason.kind) {
    case "poweroff":
      return { status: Math.min(reason.exitCode, HIGHEST) };
    case "crash":
      return { status: ExitStatus.Crash, message: `the guest crashed: ${reason.message}` };
    case "limit":
      return { status: ExitStatus.LimitReached, message: `stopped: the limit of ${reason.limit} is reached` };
    case "reboot":
    case "destroyed":
      return { status: ExitStatus.Success };
  }
}
