import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { createGuest } from "../../test/machine/guest.js";
import { type CsrField, csrFields } from "../csr-fields.js";
import { csrs } from "../csrs.js";
import { DOCUMENT, isaDocument } from "./document.js";

it("docs/isa.md is what the tables say: npm run docs:isa", () => {
  expect(readFileSync(DOCUMENT, "utf8")).toBe(isaDocument());
});

const BITS = Array.from({ length: 64 }, (_, bit) => 1n << BigInt(bit));
const ALL = (1n << 64n) - 1n;
const TOP = 1n << 63n;

/** The bits of a register that M-mode can change. */
async function writableBits(name: string): Promise<bigint> {
  const { hart } = await createGuest({ closedMemory: true });
  if (name !== "mseccfg") hart.setCsr("mseccfg", 4n); // so that locks of PMP entries go again
  if (name !== "mideleg") hart.setCsr("mideleg", ALL);
  let writable = 0n;
  for (const value of [ALL, 0n, ...BITS, ...BITS.map((bit) => bit | TOP)]) {
    const before = hart.getCsr(name);
    hart.setCsr(name, value);
    writable |= (before ^ hart.getCsr(name)) & ~(hart.getCsr(name) ^ value);
  }
  return writable;
}

const maskOf = ({ high, low }: CsrField): bigint => ((1n << BigInt(high - low + 1)) - 1n) << BigInt(low);

/** Its reads are never alike. */
const documented = csrs.filter(({ name }) => name !== "seed");

describe("the fields of", () => {
  it.each(documented.map((csr) => [csr.name, csr] as const))("%s are those that can be written", async (name, csr) => {
    const written = await writableBits(name);
    if (csr.constant !== undefined) {
      expect(written).toBe(0n);
      return;
    }
    const fields = csrFields(name) ?? [{ name, high: 63, low: 0, access: "rw", note: "" }];
    for (const field of fields.filter(({ access }) => access === "rw")) {
      expect(written & maskOf(field), field.name).not.toBe(0n);
    }
    // What is read-only may follow from the rest.
    expect(fields.reduce((bits, field) => bits & ~maskOf(field), written)).toBe(0n);
  });
});
