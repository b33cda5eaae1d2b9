/**
 * The signature of an architecture test: the memory between two symbols, as text. Lines are little-endian words of
 * the granularity, written most significant digit first, as Spike's `+signature-granularity` has them.
 */
import { HartvisorError } from "@hartvisor/core";
import type { Machine } from "../machine.js";

/** Bytes on a line. */
export const SIGNATURE_GRANULARITIES: readonly string[] = ["4", "8", "16"];

/** Guest-physical addresses; the end is exclusive. */
export interface SignatureRange {
  readonly begin: bigint;
  readonly end: bigint;
}

/** Where a program's signature lies. Throws HartvisorError `invalid-image` where its symbols do not say. */
export function signatureRange(symbols: ReadonlyMap<string, bigint>, file: string): SignatureRange {
  const [begin, end] = ["begin_signature", "end_signature"].map((name) => {
    const address = symbols.get(name);
    if (address !== undefined) return address;
    throw new HartvisorError("invalid-image", `${file}: it has no symbol ${name}, which --signature needs`);
  }) as [bigint, bigint];
  if (end < begin) throw new HartvisorError("invalid-image", `${file}: end_signature lies before begin_signature`);
  return { begin, end };
}

/** Throws HartvisorError `invalid-image` for a signature that is not all RAM. */
export function checkSignature(range: SignatureRange, memory: Machine["memory"], file: string): void {
  if (BigInt(memory.base) <= range.begin && range.end <= BigInt(memory.base + memory.size)) return;
  const { begin, end } = range;
  throw new HartvisorError(
    "invalid-image",
    `${file}: its signature, 0x${begin.toString(16)}..0x${end.toString(16)}, lies outside RAM`,
  );
}

/** The text of a signature file; a last line that memory does not fill is filled with zeros. */
export function formatSignature(range: SignatureRange, memory: Machine["memory"], granularity: number): string {
  const bytes = memory.read(range.begin, Number(range.end - range.begin)) ?? new Uint8Array();
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += granularity) {
    const word = new Uint8Array(granularity);
    word.set(bytes.subarray(at, at + granularity));
    lines.push(`${Buffer.from(word.reverse()).toString("hex")}\n`);
  }
  return lines.join("");
}
