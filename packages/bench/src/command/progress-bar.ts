/** How far the benchmarks are: a bar on a terminal, and elsewhere nothing. */
import { SingleBar } from "cli-progress";
import type { MeasureProgress } from "../micro/measure.js";

export class ProgressBar {
  readonly #bar = new SingleBar({
    format: "{bar} {percentage} % {benchmark}, {duration_formatted} (left: {eta_formatted})",
    stream: process.stderr,
    clearOnComplete: true,
    hideCursor: true,
    etaBuffer: 50,
    // Drawing between repetitions only: a timer of the bar's would fall into those that are measured.
    fps: 1000,
    barsize: 24,
    barCompleteChar: "#",
    barIncompleteChar: ".",
  });
  #isShown = false;

  show({ benchmark, done, total }: MeasureProgress): void {
    if (!process.stderr.isTTY) return;
    if (!this.#isShown) this.#bar.start(total, done, { benchmark });
    else this.#bar.update(done, { benchmark });
    this.#isShown = true;
  }

  end(): void {
    if (this.#isShown) this.#bar.stop();
    this.#isShown = false;
  }
}
