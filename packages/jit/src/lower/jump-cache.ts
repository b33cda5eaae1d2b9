/** How code finds the region at an address: in the jump cache of the bank by which it is fetched. */
import { CONSTANTS, hartOffset } from "@hartvisor/core/isa";
import { REGION_TYPE } from "../wasm/module.js";
import { Op } from "../wasm/opcodes.js";
import { type FunctionContext, Local } from "./context.js";

const { JUMP_CACHE, JUMP_ENTRIES } = CONSTANTS;

/** Goes on at the address local if the jump cache knows its region and there is budget left; else nothing happens. */
export function followJumpCache(context: FunctionContext): void {
  if (!context.options.tailCalls) return;
  const out = context.depth;
  context.open(Op.block);
  context.get(Local.left);
  context.i32(0);
  context.op(Op.i32_le_s);
  context.unlikely();
  context.branch(Op.br_if, out);
  probeJumpCache(context);
  context.op(Op.i64_ne);
  context.unlikely();
  context.branch(Op.br_if, out);
  context.get(Local.address);
  context.get(Local.stack);
  context.get(Local.entry);
  context.memory(Op.i32_load, JUMP_CACHE + 8);
  context.op(Op.return_call_indirect, REGION_TYPE, 0);
  context.close();
}

/** Leaves the pc that the jump cache has for the address local, and the latter, on the stack; sets the entry local. */
export function probeJumpCache(context: FunctionContext): void {
  context.get(Local.hart);
  context.memory(Op.i32_load, hartOffset("fetchBank"));
  context.get(Local.address);
  context.op(Op.i32_wrap_i64);
  context.i32(3);
  context.op(Op.i32_shl);
  context.i32((JUMP_ENTRIES - 1) << 4);
  context.op(Op.i32_and, Op.i32_add);
  context.tee(Local.entry);
  context.memory(Op.i64_load, JUMP_CACHE);
  context.get(Local.address);
}
