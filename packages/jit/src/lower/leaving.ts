/** Ways out of a region: to an address that another may begin at, and calls, which come back. */
import { CONSTANTS } from "@hartvisor/core/isa";
import { helper, REGION_TYPE } from "../wasm/module.js";
import { EMPTY, Op } from "../wasm/opcodes.js";
import { type FunctionContext, isExitOffset, Local } from "./context.js";
import { followJumpCache, probeJumpCache } from "./jump-cache.js";

const { JUMP_CACHE, WINDOW_LEFT } = CONSTANTS;
const ENTERABLE = helper("enterable");

/** Goes on at an offset outside the region: by a stub if exit codes reach so far. */
export function leaveTo(context: FunctionContext, offset: number): void {
  if (isExitOffset(offset)) {
    context.giveBack(offset, 0, false);
    return;
  }
  context.address(offset);
  context.set(Local.address);
  leave(context);
}

/**
 * Goes on at the address local outside the region: by the jump cache if it knows, else by whoever called. A return goes
 * back to the caller's function at once, which waits for it.
 */
export function leave(context: FunctionContext, byJumpCache = true): void {
  context.storeRegisters();
  context.storeLeft();
  if (byJumpCache) followJumpCache(context);
  returnAddress(context);
}

/** Calls the region at the address local, if there is one; returns unless control comes back to the link, with budget left. */
export function callRegion(context: FunctionContext, link: number): void {
  context.storeRegisters();
  context.storeLeft();
  probeJumpCache(context);
  context.op(Op.i64_eq, Op.if, 0x7f);
  context.get(Local.entry);
  context.memory(Op.i32_load, JUMP_CACHE + 8);
  context.op(Op.else);
  context.get(Local.address);
  context.i64(0);
  context.get(Local.hart);
  context.call(ENTERABLE);
  context.op(Op.end);
  context.tee(Local.state);
  context.op(Op.i32_eqz);
  // The stack that is left, and the budget.
  context.get(Local.stack);
  context.i32(context.frameSize);
  context.op(Op.i32_lt_s, Op.i32_or);
  context.get(Local.left);
  context.i32(0);
  context.op(Op.i32_le_s, Op.i32_or);
  returnAddressIf(context);
  context.get(Local.address);
  context.get(Local.stack);
  context.i32(context.frameSize);
  context.op(Op.i32_sub);
  context.get(Local.state);
  context.op(Op.call_indirect, REGION_TYPE, 0);
  context.tee(Local.address);
  context.address(link);
  context.op(Op.i64_ne);
  // With the budget used up every waiting function returns, or each would go on for a block.
  context.i32(0);
  context.memory(Op.i32_load, WINDOW_LEFT);
  context.tee(Local.left);
  context.i32(0);
  context.op(Op.i32_le_s, Op.i32_or);
  returnAddressIf(context);
}

/** Leaves what comes next to whoever called. */
export function returnAddress(context: FunctionContext): void {
  context.get(Local.address);
  context.op(Op.return);
}

/** The same if the i32 on the stack is not zero, which is unlikely. */
function returnAddressIf(context: FunctionContext): void {
  context.unlikely();
  context.op(Op.if, EMPTY);
  returnAddress(context);
  context.op(Op.end);
}
