import { describe, expect, it } from "vitest";
import { HartvisorError } from "../error.js";
import { DeviceTreeLabels, encodeDeviceTree } from "./encode.js";
import type { DeviceTreeNode, PropertyValue } from "./node.js";

interface DecodedNode {
  name: string;
  properties: Record<string, Uint8Array>;
  children: DecodedNode[];
}

/** A reader of flattened trees written from the specification alone, strict about everything it asks. */
function decode(blob: Uint8Array): { root: DecodedNode; reservations: [bigint, bigint][]; bootHart: number } {
  const view = new DataView(blob.buffer, blob.byteOffset, blob.length);
  const [
    magic,
    totalSize,
    structureAt,
    stringsAt,
    reservationsAt,
    version,
    lastCompatible,
    bootHart,
    stringsSize,
    size,
  ] = Array.from({ length: 10 }, (_, index) => view.getUint32(4 * index)) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  expect({ magic, totalSize, version, lastCompatible }).toEqual({
    magic: 0xd00dfeed,
    totalSize: blob.length,
    version: 17,
    lastCompatible: 16,
  });
  expect([reservationsAt % 8, structureAt % 4, totalSize % 8]).toEqual([0, 0, 0]);

  const reservations: [bigint, bigint][] = [];
  let at = reservationsAt;
  for (; view.getBigUint64(at) !== 0n || view.getBigUint64(at + 8) !== 0n; at += 16) {
    reservations.push([view.getBigUint64(at), view.getBigUint64(at + 8)]);
  }
  expect(at + 16).toBe(structureAt);

  const text = (start: number) => {
    const end = blob.indexOf(0, start);
    return { value: new TextDecoder().decode(blob.subarray(start, end)), end: end + 1 };
  };
  const aligned = (offset: number) => (offset + 3) & ~3;
  const roots: DecodedNode[] = [];
  const stack: DecodedNode[] = [];
  at = structureAt;
  for (;;) {
    const token = view.getUint32(at);
    at += 4;
    if (token === 9) break;
    if (token === 1) {
      const name = text(at);
      at = aligned(name.end);
      const node: DecodedNode = { name: name.value, properties: {}, children: [] };
      (stack.at(-1)?.children ?? roots).push(node);
      stack.push(node);
    } else if (token === 2) {
      expect(stack.pop()).toBeDefined();
    } else {
      expect(token).toBe(3);
      const length = view.getUint32(at);
      const nameAt = view.getUint32(at + 4);
      expect(nameAt).toBeLessThan(stringsSize);
      const { properties, children } = stack.at(-1) as DecodedNode;
      expect(children).toEqual([]);
      properties[text(stringsAt + nameAt).value] = blob.slice(at + 8, at + 8 + length);
      at = aligned(at + 8 + length);
    }
  }
  expect(at).toBe(structureAt + size);
  expect(stack).toEqual([]);
  expect(roots).toHaveLength(1);
  return { root: roots[0] as DecodedNode, reservations, bootHart };
}

/** The bytes of one property of the root. */
function encoded(value: PropertyValue): number[] {
  const bytes = decode(encodeDeviceTree({ name: "", properties: { value } })).root.properties.value;
  return [...(bytes as Uint8Array)];
}

const withRoot = (...children: DeviceTreeNode[]): DeviceTreeNode => ({ name: "", children });

describe("property values", () => {
  it("encodes a number as one big-endian cell", () => {
    expect(encoded(0x12345678)).toEqual([0x12, 0x34, 0x56, 0x78]);
    expect(encoded(0xffffffff)).toEqual([0xff, 0xff, 0xff, 0xff]);
  });

  it("encodes a bigint as two cells, high half first", () => {
    expect(encoded(0x1_8000_0002n)).toEqual([0, 0, 0, 1, 0x80, 0, 0, 2]);
  });

  it("encodes a list of cells one after the other", () => {
    expect(encoded([1, 2n, 3])).toEqual([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 3]);
  });

  it("ends every string with NUL", () => {
    expect(encoded("ab")).toEqual([0x61, 0x62, 0]);
    expect(encoded(["a", "b"])).toEqual([0x61, 0, 0x62, 0]);
    expect(encoded("")).toEqual([0]);
  });

  it("encodes true as an empty property", () => {
    expect(encoded(true)).toEqual([]);
  });

  it("copies bytes as they are", () => {
    expect(encoded(Uint8Array.of(1, 2, 3))).toEqual([1, 2, 3]);
  });

  it.each([
    ["a negative number", -1],
    ["a fraction", 0.5],
    ["a number over 32 bits", 2 ** 32],
    ["a negative bigint", -1n],
    ["a bigint over 64 bits", 1n << 64n],
    ["a NUL in a string", "a\0b"],
  ])("refuses %s", (_, value) => {
    expect(() => encoded(value)).toThrow(HartvisorError);
    expect(() => encoded(value)).toThrow(/property "value" of device tree node "\/"/);
  });
});

describe("the tree", () => {
  it("keeps nodes and properties in order", () => {
    const { root } = decode(
      encodeDeviceTree({
        name: "",
        properties: { "#address-cells": 2, compatible: "x" },
        children: [
          { name: "cpus", children: [{ name: "cpu@0" }, { name: "cpu@1" }] },
          { name: "memory@80000000", properties: { reg: [0x80000000n, 0x1000n] } },
        ],
      }),
    );
    expect(Object.keys(root.properties)).toEqual(["#address-cells", "compatible"]);
    expect(root.children.map(({ name }) => name)).toEqual(["cpus", "memory@80000000"]);
    expect(root.children[0]?.children.map(({ name }) => name)).toEqual(["cpu@0", "cpu@1"]);
  });

  it("stores a property name once, however many nodes use it", () => {
    const one = encodeDeviceTree(withRoot({ name: "a", properties: { compatible: true } }));
    const two = encodeDeviceTree(
      withRoot({ name: "a", properties: { compatible: true } }, { name: "b", properties: { compatible: true } }),
    );
    const stringsSize = (blob: Uint8Array) => new DataView(blob.buffer).getUint32(32);
    expect(stringsSize(two)).toBe(stringsSize(one));
  });

  it("holds more than its first buffer", () => {
    const children = Array.from({ length: 200 }, (_, index) => ({ name: `node@${index}`, properties: { reg: index } }));
    expect(decode(encodeDeviceTree(withRoot(...children))).root.children).toHaveLength(200);
  });

  it("lists memory reservations and the boot hart", () => {
    const reservations = [{ address: 0x8000_0000n, size: 0x20_0000n }];
    const decoded = decode(encodeDeviceTree({ name: "" }, { reservations, bootHart: 3 }));
    expect(decoded.reservations).toEqual([[0x8000_0000n, 0x20_0000n]]);
    expect(decoded.bootHart).toBe(3);
  });

  it.each([
    ["a root with a name", { name: "soc" }],
    ["a child without a name", withRoot({ name: "" })],
    ["a node name with a slash", withRoot({ name: "a/b" })],
    ["a node name over 31 characters", withRoot({ name: "n".repeat(32) })],
    ["two nodes of one name", withRoot({ name: "a" }, { name: "a" })],
    ["a property name with a space", { name: "", properties: { "a b": true } }],
    ["a property name over 31 characters", { name: "", properties: { ["p".repeat(32)]: true } }],
    ["a phandle set by hand", withRoot({ name: "a", properties: { phandle: 1 } })],
  ] satisfies [string, DeviceTreeNode][])("refuses %s", (_, root) => {
    expect(() => encodeDeviceTree(root)).toThrow(HartvisorError);
  });
});

describe("labels", () => {
  it("gives the same phandle to a reference and to the node it names, whichever comes first", () => {
    const labels = new DeviceTreeLabels(1);
    const serial = { name: "serial", properties: { "interrupt-parent": labels.phandle("plic") } };
    const plic = { name: "plic", label: "plic", properties: { "interrupts-extended": [labels.phandle("intc"), 9] } };
    const { root } = decode(encodeDeviceTree(withRoot(serial, plic, { name: "intc", label: "intc" }), { labels }));
    const [decodedSerial, decodedPlic, decodedIntc] = root.children;
    expect(decodedSerial?.properties["interrupt-parent"]).toEqual(decodedPlic?.properties.phandle);
    expect(decodedPlic?.properties["interrupts-extended"]?.slice(0, 4)).toEqual(decodedIntc?.properties.phandle);
    expect(decodedIntc?.properties.phandle).not.toEqual(decodedPlic?.properties.phandle);
  });

  it("gives a labelled node a phandle even if nothing refers to it", () => {
    const { root } = decode(encodeDeviceTree(withRoot({ name: "a", label: "a" })));
    expect(root.children[0]?.properties.phandle).toEqual(Uint8Array.of(0, 0, 0, 1));
  });

  it("refuses a reference to a label that no node has", () => {
    const labels = new DeviceTreeLabels(1);
    const root = withRoot({ name: "serial", properties: { "interrupt-parent": labels.phandle("plic") } });
    expect(() => encodeDeviceTree(root, { labels })).toThrow(/label "plic", but no node has it/);
  });

  it("refuses one label on two nodes", () => {
    const root = withRoot({ name: "a", label: "x" }, { name: "b", label: "x" });
    expect(() => encodeDeviceTree(root)).toThrow(/two device tree nodes have the label "x"/);
  });

  it("refuses a bad memory reservation or boot hart", () => {
    const reservations = [{ address: -1n, size: 1n }];
    expect(() => encodeDeviceTree({ name: "" }, { reservations })).toThrow(HartvisorError);
    expect(() => encodeDeviceTree({ name: "" }, { bootHart: -1 })).toThrow(HartvisorError);
  });
});
