/**
 * Shows on stderr how far something is: one line that is redrawn on a TTY, and elsewhere a line for each step.
 */
import type { ImageProgress } from "../host/node/images/debian-root.js";

/** Building takes no time worth a line. */
const TITLES: Readonly<Record<Exclude<ImageProgress["step"], "build">, string>> = {
  update: "reading the",
  download: "downloading",
  unpack: "unpacking",
  configure: "configuring",
};
const BAR_WIDTH = 24;
const REDRAW_MS = 100;
const ERASE_LINE = "\r\x1b[K";

export class ProgressLine {
  readonly #output: NodeJS.WriteStream;
  #title = "";
  #drawnAt = 0;

  constructor(output: NodeJS.WriteStream = process.stderr) {
    this.#output = output;
  }

  /** Shows how far an image is. */
  show({ step, detail, fraction }: ImageProgress): void {
    if (step !== "build") this.draw(`${TITLES[step]} ${detail}`, fraction);
  }

  /** Shows what is being done, and how much of it is done, 0 to 1, where that is known. */
  draw(title: string, fraction?: number): void {
    const isNew = title !== this.#title;
    this.#title = title;
    if (!this.#output.isTTY) {
      if (isNew) this.#output.write(`hartvisor: ${title}\n`);
      return;
    }
    const now = performance.now();
    if (!isNew && fraction !== 1 && now - this.#drawnAt < REDRAW_MS) return;
    this.#drawnAt = now;
    const line = `hartvisor: ${fraction === undefined ? "" : bar(fraction)}${title}`;
    // A line that wraps could not be erased; the bar comes first, so that it is never cut off.
    this.#output.write(`${ERASE_LINE}${line.slice(0, (this.#output.columns || 80) - 1)}`);
  }

  /** Removes the line from a TTY. */
  end(): void {
    if (this.#title !== "" && this.#output.isTTY) this.#output.write(ERASE_LINE);
    this.#title = "";
  }
}

function bar(fraction: number): string {
  const done = Math.round(fraction * BAR_WIDTH);
  return `[${"#".repeat(done)}${".".repeat(BAR_WIDTH - done)}] ${String(Math.floor(fraction * 100)).padStart(3)} % `;
}
