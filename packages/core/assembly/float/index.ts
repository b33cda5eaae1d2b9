// IEEE 754 binary32 and binary64 as RISC-V's F and D extensions define them. Values are bit patterns; `flags` points
// to a u32 of `fcsr` flag bits that exceptions are or-ed into; `rm` is a valid rounding mode, 0 to 4. The routines
// with `_rne` in their names need rm = RNE and the inexact flag already set, and are several times faster.

export { f32_add, f32_sub, f64_add, f64_sub } from "./add";
export { f32_classify, f64_classify } from "./classify";
export {
  f32_eq,
  f32_le,
  f32_lt,
  f32_max,
  f32_min,
  f64_eq,
  f64_le,
  f64_lt,
  f64_max,
  f64_min,
} from "./compare";
export {
  f32_to_f64,
  f32_to_i32,
  f32_to_i64,
  f32_to_u32,
  f32_to_u64,
  f64_to_f32,
  f64_to_i32,
  f64_to_i64,
  f64_to_u32,
  f64_to_u64,
  i32_to_f32,
  i32_to_f64,
  i64_to_f32,
  i64_to_f64,
  u32_to_f32,
  u32_to_f64,
  u64_to_f32,
  u64_to_f64,
} from "./convert";
export { f32_div, f64_div } from "./divide";
export {
  f32_add_rne,
  f32_div_rne,
  f32_fma_rne,
  f32_mul_rne,
  f32_sqrt_rne,
  f32_sub_rne,
  f64_add_rne,
  f64_div_rne,
  f64_fma_rne,
  f64_mul_rne,
  f64_sqrt_rne,
  f64_sub_rne,
} from "./fast";
export { f32_fma, f64_fma } from "./fma";
export { f32_mul, f64_mul } from "./multiply";
export { f32_sqrt, f64_sqrt } from "./sqrt";
