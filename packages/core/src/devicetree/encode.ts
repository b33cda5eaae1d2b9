/**
 * Flattens a tree of {@link DeviceTreeNode}s into the blob that a guest finds
 * in a1 at its start (Devicetree Specification 0.4, chapter 5, version 17).
 * The machine builds the tree from what its devices contribute; nothing here
 * knows any binding, only the format.
 */
import type { DeviceTreeContext } from "../bus/device.js";
import { HartvisorError } from "../error.js";
import { ByteWriter } from "./byte-writer.js";
import type { DeviceTreeNode, PropertyValue } from "./node.js";

/** `magic`, `version` and `last_comp_version` of the header (Devicetree Specification 0.4, 5.2). */
const MAGIC = 0xd00dfeed;
const VERSION = 17;
const LAST_COMPATIBLE_VERSION = 16;
const HEADER_BYTES = 40;

/** Tokens of the structure block (5.4.1). */
const BEGIN_NODE = 1;
const END_NODE = 2;
const PROPERTY = 3;
const END = 9;

/** Node names have 1 to 31 characters before the unit address and begin with a letter, property names 1 to 31 (2.2.1, 2.2.4.1). */
const NODE_NAME = /^[A-Za-z][0-9A-Za-z,._+-]{0,30}(@[0-9A-Za-z,._+-]+)?$/;
const PROPERTY_NAME = /^[0-9A-Za-z,._+?#-]{1,31}$/;

/**
 * Hands out phandles by label, so that a node can refer to another before
 * that one is in the tree. One instance serves one tree: give it to every
 * device's `deviceTree()`, then to {@link encodeDeviceTree}, which fails if a
 * label was referred to and no node carries it.
 */
export class DeviceTreeLabels implements DeviceTreeContext {
  readonly hartCount: number;
  readonly #phandles = new Map<string, number>();

  constructor(hartCount: number) {
    this.hartCount = hartCount;
  }

  phandle(label: string): number {
    let phandle = this.#phandles.get(label);
    if (phandle === undefined) {
      phandle = this.#phandles.size + 1;
      this.#phandles.set(label, phandle);
    }
    return phandle;
  }

  /** Every label that was referred to so far. */
  labels(): Iterable<string> {
    return this.#phandles.keys();
  }
}

/** A range of guest-physical memory that the guest must leave alone (Devicetree Specification 0.4, 5.3). */
export interface MemoryReservation {
  readonly address: bigint;
  /** Length in bytes. */
  readonly size: bigint;
}

/** What goes into the blob beside the tree. */
export interface EncodeDeviceTreeOptions {
  /** The allocator that the tree's references came from. Default: one of its own, for a tree without references. */
  readonly labels?: DeviceTreeLabels;
  /** Entries of the memory reservation block. Default: none. */
  readonly reservations?: readonly MemoryReservation[];
  /** Physical id of the hart that boots (`boot_cpuid_phys`). Default: 0. */
  readonly bootHart?: number;
}

/**
 * Flattens a device tree.
 *
 * @throws HartvisorError `invalid-argument`: a reference to a label that no node has, a label or a node twice, a name
 * or value that the format cannot hold.
 *
 * @example
 * ```ts
 * const labels = new DeviceTreeLabels(1);
 * const blob = encodeDeviceTree({ name: "", children: [uart.deviceTree(labels), plic.deviceTree(labels)].flat() }, { labels });
 * ```
 */
export function encodeDeviceTree(root: DeviceTreeNode, options: EncodeDeviceTreeOptions = {}): Uint8Array {
  if (root.name !== "") throw invalid(`the root node of a device tree has an empty name, not "${root.name}"`);
  const flattening = new Flattening(options.labels ?? new DeviceTreeLabels(0));
  flattening.node(root, "");
  flattening.structure.u32(END);
  flattening.checkReferences();

  const reservations = new ByteWriter();
  for (const { address, size } of [...(options.reservations ?? []), { address: 0n, size: 0n }]) {
    reservations.u64(doubleCell(address, "memory reservation"));
    reservations.u64(doubleCell(size, "memory reservation"));
  }

  const structureOffset = HEADER_BYTES + reservations.length;
  const stringsOffset = structureOffset + flattening.structure.length;
  const blob = new ByteWriter();
  blob.u32(MAGIC);
  const unpaddedSize = stringsOffset + flattening.strings.length;
  blob.u32((unpaddedSize + 7) & ~7);
  blob.u32(structureOffset);
  blob.u32(stringsOffset);
  blob.u32(HEADER_BYTES);
  blob.u32(VERSION);
  blob.u32(LAST_COMPATIBLE_VERSION);
  blob.u32(cell(options.bootHart ?? 0, "boot hart"));
  blob.u32(flattening.strings.length);
  blob.u32(flattening.structure.length);
  blob.bytes(reservations.finish());
  blob.bytes(flattening.structure.finish());
  blob.bytes(flattening.strings.finish());
  blob.align(8);
  return blob.finish();
}

/** The structure and strings blocks while they grow. */
class Flattening {
  readonly structure = new ByteWriter();
  readonly strings = new ByteWriter();
  readonly #stringOffsets = new Map<string, number>();
  readonly #labels: DeviceTreeLabels;
  readonly #labelled = new Set<string>();

  constructor(labels: DeviceTreeLabels) {
    this.#labels = labels;
  }

  node(node: DeviceTreeNode, path: string): void {
    this.structure.u32(BEGIN_NODE);
    this.structure.text(node.name);
    this.structure.align(4);
    for (const [name, value] of Object.entries(node.properties ?? {})) {
      if (name === "phandle" || name === "linux,phandle") {
        throw invalid(`node "${path || "/"}" sets "${name}" itself: give the node a label instead`);
      }
      this.#property(name, value, path);
    }
    if (node.label !== undefined) {
      if (this.#labelled.has(node.label)) throw invalid(`two device tree nodes have the label "${node.label}"`);
      this.#labelled.add(node.label);
      this.#property("phandle", this.#labels.phandle(node.label), path);
    }
    const siblings = new Set<string>();
    for (const child of node.children ?? []) {
      const childPath = `${path}/${child.name}`;
      if (!NODE_NAME.test(child.name)) throw invalid(`"${childPath}" is not a valid device tree node name`);
      if (siblings.has(child.name)) throw invalid(`the device tree has two nodes "${childPath}"`);
      siblings.add(child.name);
      this.node(child, childPath);
    }
    this.structure.u32(END_NODE);
  }

  /** Every label that was given out must have found its node by now. */
  checkReferences(): void {
    for (const label of this.#labels.labels()) {
      if (!this.#labelled.has(label)) {
        throw invalid(`a device tree node refers to the label "${label}", but no node has it`);
      }
    }
  }

  #property(name: string, value: PropertyValue, path: string): void {
    const where = `property "${name}" of device tree node "${path || "/"}"`;
    if (!PROPERTY_NAME.test(name)) throw invalid(`${where}: not a valid property name`);
    const bytes = propertyBytes(value, where);
    this.structure.u32(PROPERTY);
    this.structure.u32(bytes.length);
    this.structure.u32(this.#stringOffset(name));
    this.structure.bytes(bytes);
    this.structure.align(4);
  }

  #stringOffset(name: string): number {
    let offset = this.#stringOffsets.get(name);
    if (offset === undefined) {
      offset = this.strings.length;
      this.strings.text(name);
      this.#stringOffsets.set(name, offset);
    }
    return offset;
  }
}

function propertyBytes(value: PropertyValue, where: string): Uint8Array {
  if (value instanceof Uint8Array) return value;
  const writer = new ByteWriter();
  if (value === true) return writer.finish();
  for (const element of Array.isArray(value) ? value : [value]) {
    if (typeof element === "number") {
      writer.u32(cell(element, where));
    } else if (typeof element === "bigint") {
      writer.u64(doubleCell(element, where));
    } else {
      if (element.includes("\0")) throw invalid(`${where}: a string cannot hold a NUL character`);
      writer.text(element);
    }
  }
  return writer.finish();
}

function cell(value: number, where: string): number {
  if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) {
    throw invalid(`${where}: ${value} is not an unsigned 32-bit number`);
  }
  return value;
}

function doubleCell(value: bigint, where: string): bigint {
  if (BigInt.asUintN(64, value) !== value) throw invalid(`${where}: ${value} is not an unsigned 64-bit number`);
  return value;
}

function invalid(message: string): HartvisorError {
  return new HartvisorError("invalid-argument", message);
}
