import { describe, expect, it } from "vitest";
import type { ReportDocument, ReportedBenchmark, ReportedCell } from "./document.js";
import { drawPage } from "./page.js";

const spread = (median: number) => ({ median, lowerQuartile: median * 0.9, upperQuartile: median * 1.2 });

function cell(technique: "direct" | "trap-and-emulate", ns: number, exits: Record<string, number> = {}): ReportedCell {
  const total = Object.values(exits).reduce((sum, value) => sum + value, 0);
  const figures = {
    ...{ operations: 1000, repetitions: 9, ns: spread(ns), instructions: spread(12) },
    exits: { total, byKind: exits },
    assists: { total: 0, byKind: {} },
  };
  return { technique, engine: "auto", status: "measured", figures, ratioToDirect: { ns: ns / 100, instructions: 1 } };
}

const benchmark: ReportedBenchmark = {
  name: "syscall",
  group: "Calls",
  title: "A call of <nothing> & back",
  explanation: 'It "calls".',
  expectation: {
    text: "Dear under trap-and-emulate.",
    verdicts: [{ engine: "auto", holds: false, because: "Exits per operation under direct: none." }],
  },
  cells: [cell("direct", 100), cell("trap-and-emulate", 12_300, { privileged: 3, syscall: 1 })],
};

const report = (benchmarks: readonly ReportedBenchmark[], clock: "real" | "virtual" = "real"): ReportDocument => ({
  ...{ version: 1, clock, seed: 1, repetitions: 9, benchmarks },
  versions: { hartvisor: "0.1.0", node: "20.0.0", v8: "11" },
});

describe("the page", () => {
  const page = drawPage(report([benchmark]));

  it("needs nothing from anywhere", () => {
    expect(page).toContain("default-src 'none'");
    expect(page).not.toMatch(/<script|<link|<img|src=|url\(|https?:/);
  });

  it("has bars for time and for each kind of exit, with their figures", () => {
    expect(page.match(/<rect [^>]*class="bar /g)).toHaveLength(2);
    expect(page).toContain(">12.3 us  ×123<");
    expect(page).toContain("<title>privileged: 3</title>");
    expect(page).toContain("<title>syscall: 1</title>");
  });

  it("has longer bars for longer times, by their logarithm", () => {
    const widths = [...page.matchAll(/<rect [^>]*width="([\d.]+)"[^>]*class="bar /g)].map(([, width]) => Number(width));
    // From 45, half the least, to 14,760: log(100/45) and log(12300/45) of log(14760/45), of 330 pixels.
    expect(widths[0]).toBeCloseTo((330 * Math.log(100 / 45)) / Math.log(14760 / 45), 0);
    expect(widths[1]).toBeCloseTo((330 * Math.log(12300 / 45)) / Math.log(14760 / 45), 0);
  });

  it("says what the textbook expects, and where it is not so, with the exits", () => {
    expect(page).toContain("Dear under trap-and-emulate.");
    expect(page).toContain("Not so (auto).</b> Exits per operation under direct: none.");
    expect(page).toContain("disagrees");
  });

  it("shows texts as they are", () => {
    expect(page).toContain("A call of &lt;nothing&gt; &amp; back");
    expect(page).not.toContain("<nothing>");
  });

  it("says why something was not run", () => {
    const skipped = { technique: "direct", engine: "auto", status: "skipped", reason: "a device is absent" } as const;
    expect(drawPage(report([{ ...benchmark, cells: [skipped] }]))).toContain("not run: a device is absent");
  });

  it("shows instructions where there was no time", () => {
    const cells = benchmark.cells.map((each): ReportedCell => {
      if (each.status !== "measured") return each;
      const { ns, ...figures } = each.figures;
      return { ...each, figures, ratioToDirect: { instructions: 1 } };
    });
    const virtual = drawPage(report([{ ...benchmark, cells }], "virtual"));
    expect(virtual).toContain("Instructions per operation");
    expect(virtual).not.toMatch(/\d ns</);
  });

  it("holds together where every figure is 0", () => {
    const cells = [cell("direct", 0)];
    expect(drawPage(report([{ ...benchmark, cells }]))).not.toMatch(/NaN|Infinity/);
  });
});
