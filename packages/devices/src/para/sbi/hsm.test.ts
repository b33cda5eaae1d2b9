import { HartState, SbiError } from "@hartvisor/core";
import { describe, expect, it } from "vitest";
import { fakeMachine, RAM_BASE, RAM_BYTES } from "./fake-context.js";
import { sbiHsm } from "./hsm.js";

const ALL_STATES = Object.values(HartState);

function call(functionId: number, ...args: bigint[]) {
  const { context, asked } = fakeMachine([...ALL_STATES]);
  return { ...sbiHsm.call(functionId, args, context), asked };
}

it("is extension 0x48534D", () => expect(sbiHsm.id).toBe(0x48534d));

describe("starting a hart", () => {
  it("starts a stopped one at an address with an opaque value", () => {
    expect(call(0, BigInt(HartState.Stopped), RAM_BASE + 2n, 0xffff_ffff_ffff_ffffn)).toEqual({
      error: SbiError.Success,
      asked: [["startHart", HartState.Stopped, RAM_BASE + 2n, 0xffff_ffff_ffff_ffffn]],
    });
  });

  it.each([
    HartState.Started,
    HartState.StartPending,
    HartState.Suspended,
    HartState.SuspendPending,
    HartState.ResumePending,
  ])("says that a hart in state %i is already available", (state) => {
    expect(call(0, BigInt(state), RAM_BASE, 0n)).toEqual({ error: SbiError.AlreadyAvailable, asked: [] });
  });

  it("fails for one that is still stopping", () => {
    expect(call(0, BigInt(HartState.StopPending), RAM_BASE, 0n)).toEqual({ error: SbiError.Failed, asked: [] });
  });

  it.each([7n, 0x1_0000_0001n, 0xffff_ffff_ffff_ffffn])("refuses hart %i, which is not there", (hart) => {
    expect(call(0, hart, RAM_BASE, 0n)).toEqual({ error: SbiError.InvalidParam, asked: [] });
  });

  it.each([0n, RAM_BASE - 2n, RAM_BASE + BigInt(RAM_BYTES), RAM_BASE + 1n, 0xffff_ffff_ffff_fffen])(
    "refuses to start at %i, outside RAM or misaligned",
    (address) => {
      expect(call(0, 1n, address, 0n)).toEqual({ error: SbiError.InvalidAddress, asked: [] });
    },
  );
});

it("stops the calling hart", () => {
  expect(call(1)).toEqual({ error: SbiError.Success, asked: [["stopHart"]] });
});

describe("a hart's status", () => {
  it.each(ALL_STATES)("is its state %i", (state) => {
    expect(call(2, BigInt(state))).toEqual({ error: SbiError.Success, value: BigInt(state), asked: [] });
  });

  it.each([7n, 0x1_0000_0000n])("is refused for hart %i, which is not there", (hart) => {
    expect(call(2, hart)).toEqual({ error: SbiError.InvalidParam, asked: [] });
  });
});

describe("suspending", () => {
  it("keeps the hart's state by default, and needs no address", () => {
    expect(call(3, 0n, 1n, 1n)).toEqual({ error: SbiError.Success, asked: [["suspendHart"]] });
  });

  it("gives the hart's state up if asked, and resumes at an address", () => {
    const resume = ["suspendHart", { address: RAM_BASE, opaque: 5n }];
    expect(call(3, 0x8000_0000n, RAM_BASE, 5n)).toEqual({ error: SbiError.Success, asked: [resume] });
    expect(call(3, 0xffff_ffff_8000_0000n, RAM_BASE, 5n)).toEqual({ error: SbiError.Success, asked: [resume] });
  });

  it.each([0n, RAM_BASE + 1n])("refuses to resume at %i", (address) => {
    expect(call(3, 0x8000_0000n, address, 0n)).toEqual({ error: SbiError.InvalidAddress, asked: [] });
  });

  it.each([0x1n, 0x0fff_ffffn, 0x1000_0000n, 0x7fff_ffffn, 0x8000_0001n, 0x8fff_ffffn, 0x9000_0000n, 0xffff_ffffn])(
    "refuses the reserved or platform-specific type %i",
    (type) => {
      expect(call(3, type, RAM_BASE, 0n)).toEqual({ error: SbiError.InvalidParam, asked: [] });
    },
  );
});

it.each([4, -1])("does not support function %i", (functionId) => {
  expect(call(functionId, 0n, RAM_BASE, 0n)).toEqual({ error: SbiError.NotSupported, asked: [] });
});
