/** The dynamic binary translator: turns hot guest code into WebAssembly. */
import { HartvisorError, type TranslatorFactory } from "@hartvisor/core";
import type { TranslatorListener } from "./event.js";
import { RegionTranslator } from "./translator.js";
import { hasFusedMultiplyAdd, hasTailCalls } from "./wasm/features.js";

export type {
  GatheredEvent,
  InvalidatedEvent,
  ModuleEvent,
  RefusedEvent,
  RegionEvent,
  TranslatorEvent,
  TranslatorListener,
} from "./event.js";

export { type DumpOptions, dumpRegion, type RegionDump } from "./inspect/dump.js";

/** What the translator makes one WebAssembly function of. */
export type TranslationUnit = "block" | "region";

/** How a translator is set up. */
export interface TranslatorOptions {
  /** `region`: the blocks around a hot one, with its loops and calls. `block`: one basic block, for comparison. Default: region. */
  readonly unit?: TranslationUnit;
  /**
   * Times, out of one in {@link sampleInterval} instructions, that the interpreter must meet a block before it is translated;
   * a quarter of them suffices within 2^25 instructions. Default: 150.
   */
  readonly threshold?: number;
  /** Instructions that are interpreted between two looks at where the guest is. Default: 1,000. */
  readonly sampleInterval?: number;
  /**
   * Accesses to memory are left to the interpreter where the TLB has nothing for them; times that this must happen to one
   * before its region is made anew, with a slow path there. After a sixteenth or two it gets another probe, if it is
   * misaligned or shares its probe with accesses to another page. Default: 300,000, or 1 with a threshold of 1.
   */
  readonly missThreshold?: number;
  /** Instructions of a region at most. Default: 500. */
  readonly regionInstructions?: number;
  /** Take in blocks that were never executed, too. Default: false. */
  readonly eager?: boolean;
  /**
   * Milliseconds for which a page whose translated code was overwritten, or code that the host refused, is left to the
   * interpreter at first; twice as long each time until it holds. Default: 20, or 0 with a threshold of 1.
   */
  readonly retryMs?: number;
  /** Hears of modules and regions as they come and go; what it throws ends the machine. Default: nobody. */
  readonly onEvent?: TranslatorListener;
}

/** How often an access is reported before it gets a slow path. */
const MISS_REPORTS = 16;

/** Regions that share a module: each module costs the host some tenths of a millisecond. */
const HOT_BATCH = 8;

function refuse(message: string): never {
  throw new HartvisorError("invalid-argument", `translator: ${message}`);
}

/**
 * A translator for {@link Machine.create}. With a threshold of 1 a hot block is translated before the guest goes on. Throws
 * `invalid-argument` for options that none could have.
 */
export function translator(options: TranslatorOptions = {}): TranslatorFactory {
  const {
    unit = "region",
    threshold = 150,
    sampleInterval = 1000,
    missThreshold = threshold === 1 ? 1 : 300_000,
    regionInstructions = 500,
    eager = false,
    retryMs = threshold === 1 ? 0 : 20,
    onEvent,
  } = options;
  if (unit !== "region" && unit !== "block") refuse(`unit is one of region, block, not ${JSON.stringify(unit)}`);
  for (const [name, value] of Object.entries({ threshold, sampleInterval, missThreshold, regionInstructions })) {
    if (!Number.isSafeInteger(value) || value < 1) refuse(`${name} of ${value}: give a whole number above 0`);
  }
  if (!(typeof retryMs === "number" && retryMs >= 0)) refuse(`retryMs of ${retryMs}: give 0 or more`);
  const limits = { instructions: regionInstructions, singleBlock: unit === "block", eager };
  return {
    sampleInterval,
    sampleThreshold: threshold,
    missThreshold: Math.max(1, Math.floor(missThreshold / MISS_REPORTS)),
    hotBatch: threshold === 1 ? 1 : HOT_BATCH,
    create: (host) =>
      new RegionTranslator(host, {
        limits,
        retryMs,
        missReports: Math.max(3, Math.min(missThreshold, MISS_REPORTS)), // the first two may give it another probe
        onEvent,
        tailCalls: hasTailCalls(),
        fusedMultiplyAdd: hasFusedMultiplyAdd(),
        groupAccesses: !host.trapsMisaligned,
        unrollsLoops: unit === "region" && !host.trapsMisaligned,
      }),
  };
}
