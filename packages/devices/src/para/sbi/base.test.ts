import { SbiError } from "@hartvisor/core";
import { describe, expect, it } from "vitest";
import { SBI_IMPLEMENTATION_ID, sbiBase } from "./base.js";
import { fakeMachine } from "./fake-context.js";
import { sbiTime } from "./time.js";

const { context } = fakeMachine(undefined, [sbiBase, sbiTime]);
const call = (functionId: number, ...args: bigint[]) => sbiBase.call(functionId, args, context);
const success = (value: bigint) => ({ error: SbiError.Success, value });

describe("SBI BASE", () => {
  it("is extension 0x10", () => expect(sbiBase.id).toBe(0x10));

  it("implements version 2.0 of the specification", () => expect(call(0)).toEqual(success(0x0200_0000n)));

  it("has an implementation id that the specification assigns to nobody, and a version", () => {
    expect(call(1)).toEqual(success(SBI_IMPLEMENTATION_ID));
    expect(SBI_IMPLEMENTATION_ID).toBeGreaterThan(0xffn);
    expect(call(2)).toEqual(success(1n));
  });

  it("finds the extensions that are installed and no others", () => {
    expect(call(3, 0x10n)).toEqual(success(1n));
    expect(call(3, BigInt(sbiTime.id))).toEqual(success(1n));
    expect(call(3, 0x735049n)).toEqual(success(0n));
    expect(call(3, 0n)).toEqual(success(0n));
    expect(call(3, 0xffff_ffff_ffff_ffffn)).toEqual(success(0n));
    expect(call(3, 0x1_0000_0010n)).toEqual(success(0n));
  });

  it("tells the machine's vendor, architecture and implementation", () => {
    expect([call(4), call(5), call(6)]).toEqual([success(0x489n), success(7n), success(0x1_0000_0001n)]);
  });

  it.each([7, -1, 0x7fffffff])("does not support function %i", (functionId) => {
    expect(call(functionId)).toEqual({ error: SbiError.NotSupported });
  });
});
