import { HartvisorError, type ShutdownRequest } from "@hartvisor/core";
import { beforeEach, expect, it } from "vitest";
import { TestFinisher } from "./device.js";

let requests: ShutdownRequest[];
let finisher: TestFinisher;

beforeEach(() => {
  requests = [];
  finisher = new TestFinisher({ shutdown: (request) => requests.push(request) });
});

it.each([
  ["powers off with code 0", 0x5555, { kind: "poweroff", exitCode: 0 }],
  ["fails with the code in the high half", 0x002a_3333, { kind: "poweroff", exitCode: 42 }],
  ["fails with a code of 16 bits", 0xffff_3333, { kind: "poweroff", exitCode: 0xffff }],
  ["fails with code 1 when it gives none", 0x3333, { kind: "poweroff", exitCode: 1 }],
  ["resets", 0x7777, { kind: "reboot", cold: true }],
])("%s", (_, value, request) => {
  finisher.write(0, 4, value);
  expect(requests).toEqual([request]);
});

it("takes a 16-bit write", () => {
  finisher.write(0, 2, 0x5555);
  expect(requests).toEqual([{ kind: "poweroff", exitCode: 0 }]);
});

it("ignores everything else", () => {
  finisher.write(0, 4, 0);
  finisher.write(0, 4, 0x5556);
  finisher.write(0, 1, 0x55);
  finisher.write(4, 4, 0x5555);
  finisher.write(0xffc, 4, 0x7777);
  expect([finisher.read(0, 4), finisher.read(0xfff, 1), requests]).toEqual([0, 0, []]);
});

it("has nothing to save, and says so", () => {
  finisher.reset();
  finisher.restore(structuredClone(finisher.save()));
  expect(finisher.save()).toEqual({ version: 1 });
  expect(() => finisher.restore({ version: 2 })).toThrow(HartvisorError);
  expect(() => finisher.restore({ version: 1, extra: 1 } as { version: number })).toThrow(HartvisorError);
});

it("describes itself, poweroff and reboot as QEMU does", () => {
  const context = { hartCount: 1, phandle: (label: string) => (label === "test-finisher" ? 6 : 0) };
  expect(finisher.deviceTree(context)).toEqual([
    {
      name: "test@100000",
      label: "test-finisher",
      properties: { compatible: ["sifive,test1", "sifive,test0", "syscon"], reg: [0x10_0000n, 0x1000n] },
    },
    { name: "poweroff", properties: { compatible: "syscon-poweroff", regmap: 6, offset: 0, value: 0x5555 } },
    { name: "reboot", properties: { compatible: "syscon-reboot", regmap: 6, offset: 0, value: 0x7777 } },
  ]);
});
