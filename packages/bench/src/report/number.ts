/** Numbers as tables and pages show them: three digits that matter, and units that keep them short. */

const DIGITS = 3;
const LEAST_PLAIN = 1e-3;

/** A count per operation, such as `2e-5`, `0.0156`, `2.13` or `4,100`. */
export function count(value: number): string {
  if (value >= 1000) return Math.round(value).toLocaleString("en");
  const rounded = Number(value.toPrecision(DIGITS));
  return rounded === 0 || rounded >= LEAST_PLAIN ? String(rounded) : rounded.toExponential();
}

/** A time, such as `12.3 ns` or `4.56 ms`. */
export function duration(ns: number): string {
  const units = [
    [1e9, "s"],
    [1e6, "ms"],
    [1e3, "us"],
  ] as const;
  const [scale, unit] = units.find(([least]) => ns >= least) ?? [1, "ns"];
  return `${(ns / scale).toPrecision(DIGITS).replace(/e\+\d+$/, "")} ${unit}`;
}

/** A quotient, such as `1.00` or `123`. */
export function quotient(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en") : value.toPrecision(DIGITS);
}
