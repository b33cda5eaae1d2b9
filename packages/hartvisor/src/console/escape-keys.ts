/**
 * Keys that are meant for the monitor, not for the guest: Ctrl-A and another one, as in QEMU and in minicom. Works
 * on bytes as they come from a terminal, in pieces of any size.
 */

/** What the user asks the monitor for. */
export type EscapeCommand = "quit" | "help";

const CTRL_A = 0x01;
const COMMANDS: ReadonlyMap<number, EscapeCommand> = new Map([
  ["x".charCodeAt(0), "quit"],
  ["h".charCodeAt(0), "help"],
]);
/** Ctrl-A again, or a, stands for one Ctrl-A. */
const LITERAL = new Set([CTRL_A, "a".charCodeAt(0)]);

export const ESCAPE_HELP = `
Ctrl-A x       quit
Ctrl-A h       this help
Ctrl-A Ctrl-A  send Ctrl-A to the guest; so does Ctrl-A a
`;

export class EscapeKeys {
  #escaped = false;

  /** Parts input into what the guest gets and what the monitor is asked for; any other key after Ctrl-A is dropped. */
  split(input: Uint8Array): { readonly bytes: Uint8Array; readonly commands: readonly EscapeCommand[] } {
    const bytes: number[] = [];
    const commands: EscapeCommand[] = [];
    for (const byte of input) {
      if (this.#escaped) {
        this.#escaped = false;
        const command = COMMANDS.get(byte);
        if (command !== undefined) commands.push(command);
        else if (LITERAL.has(byte)) bytes.push(CTRL_A);
      } else if (byte === CTRL_A) {
        this.#escaped = true;
      } else {
        bytes.push(byte);
      }
    }
    return { bytes: Uint8Array.from(bytes), commands };
  }
}
