/** The report as one HTML file that needs nothing else: charts, explanations, and the textbook beside the figures. */
import { drawCharts, type Quantity } from "./chart.js";
import type { ReportDocument, ReportedBenchmark, ReportedCell } from "./document.js";
import { element, escaped } from "./markup.js";
import { count, duration, quotient } from "./number.js";
import { STYLE } from "./style.js";

/** Nothing is loaded: the page says so to the browser, which holds it to that. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'";

/** Draws the page. */
export function drawPage(document: ReportDocument): string {
  const quantity: Quantity = document.clock === "real" ? "ns" : "instructions";
  const groups = [...new Set(document.benchmarks.map(({ group }) => group))];
  const body = [
    element("h1", {}, "What virtualization costs"),
    introduction(document),
    element("nav", {}, overview(document, quantity)),
    ...groups.map((group) =>
      element(
        "section",
        {},
        element("h2", {}, escaped(group)),
        ...document.benchmarks.filter((each) => each.group === group).map((each) => drawBenchmark(each, quantity)),
      ),
    ),
  ];
  return [
    "<!doctype html>",
    '<html lang="en">',
    '<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
    `<meta http-equiv="Content-Security-Policy" content="${POLICY}">`,
    `<title>hartvisor: what virtualization costs</title><style>${STYLE}</style></head>`,
    `<body>${body.join("\n")}</body></html>\n`,
  ].join("\n");
}

function introduction({ versions, host, date, clock, repetitions, seed }: ReportDocument): string {
  const about = [
    `hartvisor ${versions.hartvisor}, Node ${versions.node}, V8 ${versions.v8}`,
    ...(host === undefined ? [] : [`${host.cpus} x ${host.cpu}, ${host.system}`]),
    ...(date === undefined ? [] : [date]),
    `clock ${clock}, ${repetitions} repetitions, seed ${seed}`,
  ];
  const what =
    "One guest, the same work, under each virtualization technique and engine. All figures are per operation. An exit is a return from WebAssembly to the monitor; " +
    "what the two marks around a measured stretch take is subtracted. Bars end at the median, lines span the quartiles, and × says how many times as much it is as under direct with the same engine.";
  return element("p", { class: "about" }, escaped(about.join(" · "))) + element("p", {}, escaped(what));
}

/** A line for each benchmark, with its ratios to direct under the fastest engine. */
function overview({ benchmarks }: ReportDocument, quantity: Quantity): string {
  const techniques = [...new Set(benchmarks.flatMap(({ cells }) => cells.map(({ technique }) => technique)))];
  const heads = ["benchmark", ...techniques, "textbook"].map((text) => element("th", {}, escaped(text)));
  const rows = benchmarks.map((benchmark) => {
    const { name, cells } = benchmark;
    const engine = cells.at(-1)?.engine;
    const link = element("a", { href: `#${name}` }, escaped(name));
    const figures = techniques.map((technique) => {
      const cell = cells.find((each) => each.technique === technique && each.engine === engine);
      return element("td", { class: "number" }, cell === undefined ? "" : overviewFigure(cell, quantity));
    });
    return element("tr", {}, element("td", {}, link), ...figures, element("td", {}, verdictMark(benchmark)));
  });
  return element("table", { class: "overview" }, element("tr", {}, ...heads), ...rows);
}

function overviewFigure(cell: ReportedCell, quantity: Quantity): string {
  if (cell.status !== "measured") return cell.status === "failed" ? "failed" : "–";
  const ratio = cell.ratioToDirect[quantity];
  const value = show(cell.figures[quantity]?.median ?? 0, quantity);
  return escaped(ratio === undefined || cell.technique === "direct" ? value : `×${quotient(ratio)}`);
}

function verdictMark({ expectation }: ReportedBenchmark): string {
  if (expectation === undefined || expectation.verdicts.length === 0) return "";
  return expectation.verdicts.every(({ holds }) => holds) ? "agrees" : element("b", { class: "no" }, "disagrees");
}

function drawBenchmark(benchmark: ReportedBenchmark, quantity: Quantity): string {
  const { name, title, explanation, expectation, cells } = benchmark;
  return element(
    "article",
    { id: name },
    element("h3", {}, escaped(title), " ", element("code", {}, escaped(name))),
    element("p", {}, escaped(explanation)),
    element("figure", { "data-benchmark": name }, drawCharts(benchmark, quantity)),
    expectation === undefined ? "" : drawExpectation(expectation),
    element("details", {}, element("summary", {}, "Figures"), drawFigures(cells)),
  );
}

function drawExpectation({ text, verdicts }: NonNullable<ReportedBenchmark["expectation"]>): string {
  const lines = verdicts.map(({ engine, holds, because }) =>
    element(
      "p",
      { class: holds ? "yes" : "no" },
      element("b", {}, `${holds ? "So it is" : "Not so"} (${escaped(engine)}).`),
      because === undefined ? "" : ` ${escaped(because)}`,
    ),
  );
  const none = verdicts.length === 0 ? [element("p", {}, "What it takes to tell was not measured.")] : [];
  return element(
    "div",
    { class: "textbook" },
    element("p", {}, element("b", {}, "The textbook: "), escaped(text)),
    ...lines,
    ...none,
  );
}

function drawFigures(cells: readonly ReportedCell[]): string {
  const heads = [
    "technique",
    "engine",
    "time",
    "quartiles",
    "× direct",
    "instructions",
    "exits",
    "exits by kind",
    "assists by kind",
  ];
  const rows = cells.map((cell) => {
    const texts =
      cell.status === "measured" ? figureTexts(cell) : [cell.status === "failed" ? "failed" : "not run", cell.reason];
    return element(
      "tr",
      {},
      ...[cell.technique, cell.engine, ...texts].map((text) => element("td", {}, escaped(text))),
    );
  });
  return element("table", {}, element("tr", {}, ...heads.map((text) => element("th", {}, text))), ...rows);
}

function figureTexts({ figures, ratioToDirect }: Extract<ReportedCell, { status: "measured" }>): readonly string[] {
  const { ns, instructions, exits, assists } = figures;
  const kinds = (counts: Readonly<Record<string, number>>) =>
    Object.entries(counts)
      .sort(([, a], [, b]) => b - a)
      .map(([kind, value]) => `${kind} ${count(value)}`)
      .join(", ");
  return [
    ...(ns === undefined
      ? ["", ""]
      : [duration(ns.median), `${duration(ns.lowerQuartile)} – ${duration(ns.upperQuartile)}`]),
    ratioToDirect.ns === undefined ? "" : quotient(ratioToDirect.ns),
    ...[count(instructions.median), count(exits.total), kinds(exits.byKind), kinds(assists.byKind)],
  ];
}

function show(value: number, quantity: Quantity): string {
  return quantity === "ns" ? duration(value) : count(value);
}
