/** For tests: a Debian guest at its shell, spoken to as a user would type. */
import { type ExitReason, Machine, type MachineOptions } from "../src/index.js";

const PROMPT = /hartvisor:\S*# /;
/** The shell asks the terminal for the cursor's position before it reads a line. */
const CURSOR_QUERY = "\u001b[6n";

export class GuestShell {
  readonly machine: Machine;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  #unread = "";
  #arrived: () => void = () => {};

  private constructor(machine: Machine) {
    this.machine = machine;
    this.#input = machine.console.input.getWriter();
    const decoder = new TextDecoder();
    void machine.console.output.pipeTo(
      new WritableStream({
        write: (bytes) => {
          this.#unread += decoder.decode(bytes, { stream: true });
          this.#arrived();
        },
      }),
    );
  }

  /** Boots and waits for the first prompt. */
  static async boot(options: MachineOptions): Promise<GuestShell> {
    const machine = await Machine.create(options);
    const shell = new GuestShell(machine);
    machine.start();
    await shell.#until(PROMPT);
    return shell;
  }

  /** Types a line and gives what is printed up to the next prompt. */
  async run(command: string): Promise<string> {
    await this.type(command);
    const printed = await this.#until(PROMPT);
    return printed.slice(printed.indexOf("\n") + 1).replaceAll("\r", "");
  }

  async type(line: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(`${line}\n`));
  }

  /** Powers off and gives the reason with which the machine exited. */
  async powerOff(): Promise<ExitReason> {
    await this.type("poweroff");
    return this.machine.exited;
  }

  /** Waits for a pattern; gives what came before it. Fails with what there was if the machine exits first. */
  async #until(pattern: RegExp): Promise<string> {
    for (;;) {
      const match = pattern.exec(this.#unread.replaceAll(CURSOR_QUERY, ""));
      if (match !== null) {
        const text = this.#unread.replaceAll(CURSOR_QUERY, "");
        this.#unread = text.slice(match.index + match[0].length);
        return text.slice(0, match.index);
      }
      const arrival = new Promise<"output">((resolve) => {
        this.#arrived = () => resolve("output");
      });
      const outcome = await Promise.race([arrival, this.machine.exited]);
      if (outcome !== "output") {
        throw new Error(`the machine exited (${JSON.stringify(outcome)}) before ${pattern}:\n${this.#unread}`);
      }
    }
  }
}
