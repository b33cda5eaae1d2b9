/** Grows a region from the beginning of a program in assembly language, all of which was executed. */
import { IsaSet } from "@hartvisor/core";
import { assemble } from "../../core/isa/assemble.js";
import { GuestDecoder } from "../src/guest/instruction.js";
import { isTranslatable } from "../src/lower/instruction.js";
import type { Region } from "../src/region/block.js";
import { type Code, discover } from "../src/region/discover.js";

const LIMITS = { instructions: 500, singleBlock: false, eager: false };

/** Other regions begin at `heads`, and samples found control at `arrivals`. */
export function grow(source: string, heads: readonly number[] = [], arrivals: readonly number[] = []): Region {
  const bytes = assemble(source);
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const decoder = new GuestDecoder(IsaSet.parse("rv64gc"), isTranslatable);
  const at = (place: number) => (place < bytes.length ? decoder.decode(words.getUint32(place, true)) : undefined);
  const isRegion = (offset: number) => heads.includes(offset);
  const code: Code = { at, executed: () => true, isRegion, misses: () => "seldom", arrivals: () => arrivals };
  return discover(0, code, LIMITS);
}
