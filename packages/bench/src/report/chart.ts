/**
 * A benchmark as two charts side by side, as SVG: what an operation takes under each technique and engine, on a
 * logarithmic scale, and in the same rows which exits it comes to. Colours are classes, which the page's style defines.
 */
import { scaleLinear, scaleLog } from "d3-scale";
import type { ReportedBenchmark, ReportedCell } from "./document.js";
import { element, escaped } from "./markup.js";
import { count, duration, quotient } from "./number.js";

/** What the bars of the left chart show. */
export type Quantity = "ns" | "instructions";

const ROW = 24;
const BAR = 14;
const TOP = 22;
const LABELS = 190;
const TIME = { left: LABELS, width: 330 };
const VALUE_ROOM = 130;
const EXITS = { left: TIME.left + TIME.width + VALUE_ROOM, width: 230 };
const EXITS_VALUE_ROOM = 90;
const WIDTH = EXITS.left + EXITS.width + EXITS_VALUE_ROOM;
const LEGEND_ROW = 18;
/** Kinds of exits have so many colours; those beyond share the last. */
const KIND_COLOURS = 8;
const TICK_DISTANCE = 58;

type Measured = Extract<ReportedCell, { status: "measured" }>;
const isMeasured = (cell: ReportedCell): cell is Measured => cell.status === "measured";

/** Draws the charts of a benchmark. */
export function drawCharts(benchmark: ReportedBenchmark, quantity: Quantity): string {
  const { cells, title } = benchmark;
  const kinds = kindsOf(cells);
  const legend = drawLegend(kinds, TOP + cells.length * ROW + LEGEND_ROW);
  const height = TOP + cells.length * ROW + (kinds.length === 0 ? 8 : legend.height + LEGEND_ROW);
  const what = quantity === "ns" ? "Time" : "Instructions";
  return element(
    "svg",
    {
      ...{ viewBox: `0 0 ${WIDTH} ${height}`, role: "img", class: "charts", width: WIDTH, height },
      "aria-label": `${title}: ${what.toLowerCase()} and exits per operation`,
    },
    element("text", { x: TIME.left, y: 11, class: "head" }, `${what} per operation (log scale)`),
    element("text", { x: EXITS.left, y: 11, class: "head" }, "Exits per operation"),
    drawBars(cells, quantity),
    drawExits(cells, kinds),
    legend.markup,
  );
}

function drawBars(cells: readonly ReportedCell[], quantity: Quantity): string {
  const values = cells.filter(isMeasured).flatMap(({ figures }) => {
    const spread = figures[quantity];
    return spread === undefined ? [] : [spread.lowerQuartile, spread.median, spread.upperQuartile];
  });
  const positive = values.filter((value) => value > 0);
  // Where bars begin: below the least, so that it can be seen, too.
  const least = Math.min(...positive, Number.MAX_VALUE) / 2;
  const most = Math.max(...positive, least * 2);
  const scale = scaleLog().domain([least, most]).range([0, TIME.width]).clamp(true);
  const bottom = TOP + cells.length * ROW;
  const ticks = roundValues(least, most, scale).map((tick) => {
    const x = TIME.left + scale(tick);
    return (
      element("line", { x1: x, x2: x, y1: TOP - 4, y2: bottom, class: "grid" }) +
      element("text", { x, y: bottom + 11, class: "tick" }, escaped(tickText(tick, quantity)))
    );
  });
  const rows = cells.map((cell, n) => {
    const y = TOP + n * ROW;
    const label = element(
      "text",
      { x: TIME.left - 8, y: y + BAR - 2, class: "label" },
      cell.technique === "host" ? "host" : `${cell.technique} · ${cell.engine}`,
    );
    if (!isMeasured(cell)) {
      const text = `${cell.status === "failed" ? "failed" : "not run"}: ${cell.reason}`;
      const short = text.length > 70 ? `${text.slice(0, 69)}…` : text;
      return label + element("text", { x: TIME.left + 4, y: y + BAR - 2, class: "absent" }, escaped(short));
    }
    return label + drawBar(cell, quantity, (value) => scale(Math.max(value, least)), y);
  });
  return ticks.join("") + rows.join("");
}

function drawBar(
  { technique, engine, figures, ratioToDirect }: Measured,
  quantity: Quantity,
  x: (value: number) => number,
  y: number,
): string {
  const spread = figures[quantity];
  if (spread === undefined) return "";
  const { median, lowerQuartile, upperQuartile } = spread;
  const value = quantity === "ns" ? duration(median) : count(median);
  const ratio = ratioToDirect[quantity];
  const times = ratio === undefined || technique === "direct" ? "" : `  ×${quotient(ratio)}`;
  const [low, high] = [TIME.left + x(lowerQuartile), TIME.left + x(upperQuartile)];
  const middle = y + BAR / 2;
  return (
    element("rect", { x: TIME.left, y, width: x(median), height: BAR, class: `bar ${technique} ${engine}` }) +
    element("line", { x1: low, x2: high, y1: middle, y2: middle, class: "spread" }) +
    element(
      "text",
      { x: Math.max(high, TIME.left + x(median)) + 6, y: y + BAR - 2, class: "value" },
      escaped(value + times),
    )
  );
}

function drawExits(cells: readonly ReportedCell[], kinds: readonly string[]): string {
  const most = Math.max(0, ...cells.filter(isMeasured).map(({ figures }) => figures.exits.total));
  const scale = scaleLinear()
    .domain([0, most || 1])
    .range([0, EXITS.width]);
  return cells
    .map((cell, n) => {
      if (!isMeasured(cell)) return "";
      const { exits } = cell.figures;
      const y = TOP + n * ROW;
      let x = EXITS.left;
      const parts = kinds.map((kind, index) => {
        const width = scale(exits.byKind[kind] ?? 0);
        const part = element(
          "rect",
          { x, y, width, height: BAR, class: kindClass(index) },
          element("title", {}, escaped(`${kind}: ${count(exits.byKind[kind] ?? 0)}`)),
        );
        x += width;
        return width > 0 ? part : "";
      });
      return parts.join("") + element("text", { x: x + 6, y: y + BAR - 2, class: "value" }, count(exits.total));
    })
    .join("");
}

/** What the colours of exits stand for, in as many rows as it takes. */
function drawLegend(kinds: readonly string[], top: number): { readonly markup: string; readonly height: number } {
  let [x, y] = [EXITS.left, top];
  const entries = kinds.map((kind, index) => {
    const width = 24 + kind.length * 6.6;
    if (x > EXITS.left && x + width > WIDTH) [x, y] = [EXITS.left, y + LEGEND_ROW];
    const entry =
      element("rect", { x, y: y - 9, width: 10, height: 10, class: kindClass(index) }) +
      element("text", { x: x + 14, y, class: "key" }, escaped(kind));
    x += width;
    return entry;
  });
  return { markup: entries.join(""), height: y - top + LEGEND_ROW };
}

/** Kinds of exits that a benchmark has, the most frequent first. */
function kindsOf(cells: readonly ReportedCell[]): readonly string[] {
  const sums = new Map<string, number>();
  for (const cell of cells.filter(isMeasured)) {
    for (const [kind, value] of Object.entries(cell.figures.exits.byKind)) {
      sums.set(kind, (sums.get(kind) ?? 0) + value);
    }
  }
  return [...sums].sort(([, a], [, b]) => b - a).map(([kind]) => kind);
}

function kindClass(index: number): string {
  return `kind${Math.min(index, KIND_COLOURS - 1)}`;
}

/** Round values between two, far enough apart on the scale that their labels can be read. */
function roundValues(least: number, most: number, place: (value: number) => number): readonly number[] {
  const [first, last] = [Math.floor(Math.log10(least)), Math.ceil(Math.log10(most))];
  const powers = Array.from({ length: last - first + 1 }, (_, n) => 10 ** (first + n));
  const inside = (values: readonly number[]) => values.filter((value) => value >= least && value <= most);
  const values =
    inside(powers).length > 1 ? inside(powers) : inside(powers.flatMap((power) => [power, 2 * power, 5 * power]));
  const chosen: number[] = [];
  for (const value of values) {
    const before = chosen.at(-1);
    if (before === undefined || place(value) - place(before) >= TICK_DISTANCE) chosen.push(value);
  }
  return chosen;
}

/** Without the zeros that say how exact a figure is. */
function tickText(value: number, quantity: Quantity): string {
  const text = quantity === "ns" ? duration(value) : count(value);
  return text.replace(/(\.\d*?)0+ /, "$1 ").replace(". ", " ");
}
