/**
 * Looks at the results of arithmetic, where NX is set already: what is finite, and if it is a product or quotient not tiny, raises
 * no other flag (see core/assembly/float/fast.ts).
 */
import { Op } from "../wasm/opcodes.js";
import { type FunctionContext, Local } from "./context.js";
import { FORMATS, type Format, scratch } from "./float-format.js";

/** How the result of an operation in a batch is looked at: first of its kind, or next; or not, since what others make of it tells. */
export type Look = "first" | "next" | "implied";

/** Bits of the smallest normal number and of infinity, without their sign, shifted left by one. */
const MAGNITUDES = {
  s: { smallest: 0x0100_0000n, infinity: 0xff00_0000n },
  d: { smallest: 0x0020_0000_0000_0000n, infinity: 0xffe0_0000_0000_0000n },
} as const;

/** Leaves 1 if the result is infinite or NaN, or, if `tiny` asks for it, no larger than the smallest normal number. */
export function isOutside(context: FunctionContext, format: Format, tiny: boolean): void {
  if (!tiny) {
    isInfinite(context, format, scratch(format));
    return;
  }
  const { smallest, infinity } = MAGNITUDES[format];
  const isDouble = format === "d";
  const constantOf = (value: bigint) => {
    context.op(isDouble ? Op.i64_const : Op.i32_const);
    context.out.signed64(isDouble ? value : BigInt.asIntN(32, value));
  };
  context.get(scratch(format));
  context.op(isDouble ? Op.i64_reinterpret_f64 : Op.i32_reinterpret_f32);
  constantOf(1n);
  context.op(isDouble ? Op.i64_shl : Op.i32_shl);
  constantOf(smallest + 1n);
  context.op(isDouble ? Op.i64_sub : Op.i32_sub);
  constantOf(infinity - smallest - 1n);
  context.op(isDouble ? Op.i64_ge_u : Op.i32_ge_u);
}

/** Leaves 1 if the number in a local is infinite or NaN: less itself, it is not zero then. */
function isInfinite(context: FunctionContext, format: Format, local: number): void {
  const { sub, le } = FORMATS[format];
  for (let n = 0; n < 2; n++) {
    context.get(local);
    context.get(local);
    context.op(sub);
  }
  context.op(le, Op.i32_eqz);
}

/**
 * Adds a result to what is looked at in the end: sums to their sum, and of products the squares to their product. That is not
 * finite if one of them is not, and zero if one lies below 2^-538; or, needlessly, where several are far from 1.
 */
export function gather(context: FunctionContext, kind: "sum" | "product", look: Look): void {
  const local = kind === "sum" ? Local.sums : Local.products;
  if (look === "next") context.get(local);
  context.get(Local.double);
  if (kind === "product") {
    context.get(Local.double);
    context.op(Op.f64_mul);
  }
  if (look === "next") context.op(kind === "sum" ? Op.f64_add : Op.f64_mul);
  context.set(local);
}

/** Leaves 1 if what was gathered is infinite, NaN or, of products, zero. */
export function isBatchOutside(context: FunctionContext, hasProducts: boolean, hasSums: boolean): void {
  if (!hasProducts) {
    isInfinite(context, "d", Local.sums);
    return;
  }
  context.get(Local.products);
  context.get(Local.products);
  if (hasSums) {
    context.get(Local.sums);
    context.op(Op.f64_add);
    context.tee(Local.sums);
    context.get(Local.sums);
  } else context.get(Local.products);
  context.op(Op.f64_sub, Op.f64_gt, Op.i32_eqz);
}
