import { SbiError } from "@hartvisor/core";
import { expect, it } from "vitest";
import { fakeMachine } from "./fake-context.js";
import { sbiTime } from "./time.js";

it("programs the calling hart's timer with an absolute time", () => {
  const { context, asked } = fakeMachine();
  expect(sbiTime.id).toBe(0x54494d45);
  expect(sbiTime.call(0, [1234n], context)).toEqual({ error: SbiError.Success });
  expect(sbiTime.call(0, [0xffff_ffff_ffff_ffffn], context)).toEqual({ error: SbiError.Success });
  expect(asked).toEqual([
    ["setTimer", 0, 1234n],
    ["setTimer", 0, 0xffff_ffff_ffff_ffffn],
  ]);
});

it.each([1, -1])("does not support function %i", (functionId) => {
  const { context, asked } = fakeMachine();
  expect(sbiTime.call(functionId, [1n], context)).toEqual({ error: SbiError.NotSupported });
  expect(asked).toEqual([]);
});
