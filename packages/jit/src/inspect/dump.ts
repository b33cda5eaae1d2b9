/**
 * A region for people to read: the guest's code by blocks, how they hang
 * together, and the WebAssembly that becomes of them. Made from code that need
 * not run; a running machine takes in only what was executed, but knows of
 * targets of indirect jumps, too.
 */
import { disassemble, type IsaSet } from "@hartvisor/core/isa";
import { instructionBits, type ReadHalfword } from "../guest/bits.js";
import { GuestDecoder } from "../guest/instruction.js";
import { lower } from "../lower/function.js";
import { isTranslatable } from "../lower/instruction.js";
import { LoweringNotes } from "../lower/notes.js";
import type { Region } from "../region/block.js";
import { discover } from "../region/discover.js";
import { type FlowGraph, flowGraph } from "../region/flow-graph.js";
import { ModuleText } from "../wasm/disassemble.js";
import { hasFusedMultiplyAdd, hasTailCalls } from "../wasm/features.js";
import { ModuleBuilder } from "../wasm/module.js";
import { listBlocks } from "./blocks.js";
import { Places } from "./places.js";
import { drawStructure } from "./structure.js";

const PAGE = 4096;
/** Limits of the memory and the table that the module says it imports; nothing is made with them. */
const MEMORY_PAGES = 65536;
const TABLE_SIZE = 4096;

export interface DumpOptions {
  /** Virtual address where the region begins; even. */
  readonly address: bigint;
  /** The guest's code: the 16 bits at an even address; undefined where there is none. */
  readonly read: (address: bigint) => number | undefined;
  readonly isa: Pick<IsaSet, "has">;
  /** As {@link TranslatorOptions} has them. */
  readonly unit?: "block" | "region";
  readonly regionInstructions?: number;
  /** Misaligned loads and stores trap; accesses then have a probe each. Default: false. */
  readonly trapsMisaligned?: boolean;
}

export interface RegionDump {
  readonly text: string;
  /** The module whose only function is the region's. */
  readonly module: Uint8Array<ArrayBuffer>;
}

/** Grows a region and describes it; undefined where none begins, for the first instruction is the interpreter's. */
export function dumpRegion(options: DumpOptions): RegionDump | undefined {
  const { address, isa, unit = "region", regionInstructions = 500, trapsMisaligned = false } = options;
  const places = new Places(address);
  const read: ReadHalfword = (offset) => (isNear(offset) ? options.read(places.address(offset)) : undefined);
  const decoder = new GuestDecoder(isa, isTranslatable);
  const at = (offset: number) => {
    const bits = instructionBits(read, offset);
    return bits === undefined ? undefined : decoder.decode(bits);
  };
  const limits = { instructions: regionInstructions, singleBlock: unit === "block", eager: true };
  const region = discover(
    places.entry,
    { at, executed: () => true, isRegion: () => false, misses: () => "seldom", arrivals: () => [] },
    limits,
  );
  if (region.blocks.size === 0) return undefined;

  const builder = new ModuleBuilder();
  const notes = new LoweringNotes();
  const lowering = {
    tailCalls: hasTailCalls(),
    fusedMultiplyAdd: hasFusedMultiplyAdd(),
    groupAccesses: !trapsMisaligned,
    unrollsLoops: !limits.singleBlock && !trapsMisaligned,
  };
  const graph = flowGraph(region);
  lower(builder, { region, graph }, lowering, notes);
  const module = builder.finish(MEMORY_PAGES, TABLE_SIZE).slice();

  const assembly = (offset: number): string => {
    const bits = instructionBits(read, offset);
    if (bits === undefined) return "what cannot be read";
    return disassemble(bits, places.address(offset)).text;
  };
  const wasm = new ModuleText(module);
  const sections = [
    summary(region, graph, places, builder.functions()[0]?.bytes.length ?? 0, module.length, wasm),
    "# Blocks",
    listBlocks(region, graph, places, assembly),
    `# Structure: ${graph.irreducible.length === 0 ? "the dominator tree" : "dispatched by block number, for the graph is irreducible"}`,
    drawStructure(graph, places),
    "# WebAssembly",
    wasm.function(0, {
      name: places.name("region"),
      locals: notes.locals,
      remarks: remarks(notes, graph, places, assembly),
    }),
  ];
  return { text: `${sections.join("\n\n")}\n`, module };
}

/** Regions grow in the page of their entry and those beside it. */
function isNear(offset: number): boolean {
  return offset >= -PAGE && offset < 2 * PAGE;
}

function summary(
  { blocks, instructionCount }: Region,
  { irreducible }: FlowGraph,
  places: Places,
  functionBytes: number,
  moduleBytes: number,
  { imports }: ModuleText,
): string {
  const calls = imports.length === 0 ? "nothing of the interpreter" : imports.join(", ");
  return [
    `# Region at ${places.hex(places.entry)}`,
    "",
    `${count(blocks.size, "block")}, ${count(instructionCount, "instruction")}, ${irreducible.length === 0 ? "reducible" : "irreducible"}`,
    `${functionBytes} bytes of function in a module of ${moduleBytes}; it calls ${calls}`,
  ].join("\n");
}

const count = (number: number, what: string) => `${number} ${what}${number === 1 ? "" : "s"}`;

/** Where a block or a guest instruction begins in the function, what it is. */
function remarks(
  { marks }: LoweringNotes,
  graph: FlowGraph,
  places: Places,
  assembly: (offset: number) => string,
): ReadonlyMap<number, readonly string[]> {
  const at = new Map<number, string[]>();
  for (const { what, offset, position } of marks) {
    const lines = at.get(position) ?? [];
    at.set(position, lines);
    if (what === "block") lines.push(`B${graph.numberOf.get(offset)}`);
    else lines.push(`${places.hex(offset)}  ${assembly(offset)}`);
  }
  return at;
}
