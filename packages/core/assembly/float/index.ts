// IEEE 754 binary16, binary32 and binary64 as RISC-V's Zfh, F and D extensions define them, and the operations of Zfa.
// Values are bit patterns; `flags` points to a u32 of `fcsr` flag bits that exceptions are or-ed into; `rm` is a valid
// rounding mode, 0 to 4. The routines with `_rne` in their names need rm = RNE and the inexact flag already set, and
// are several times faster.

export { f16_add, f16_sub, f32_add, f32_sub, f64_add, f64_sub } from "./add";
export { f16_classify, f32_classify, f64_classify } from "./classify";
export { f16_eq, f16_le, f16_leq, f16_lt, f16_ltq, f16_max, f16_maxm, f16_min, f16_minm, f32_eq, f32_le, f32_leq, f32_lt, f32_ltq, f32_max, f32_maxm, f32_min, f32_minm, f64_eq, f64_le, f64_leq, f64_lt, f64_ltq, f64_max, f64_maxm, f64_min, f64_minm } from "./compare";
export { f16_to_f32, f16_to_f64, f16_to_i32, f16_to_i64, f16_to_u32, f16_to_u64, f32_to_f16, f32_to_f64, f32_to_i32, f32_to_i64, f32_to_u32, f32_to_u64, f64_to_f16, f64_to_f32, f64_to_i32, f64_to_i64, f64_to_u32, f64_to_u64, f64_wrap_i32, i32_to_f16, i32_to_f32, i32_to_f64, i64_to_f16, i64_to_f32, i64_to_f64, u32_to_f16, u32_to_f32, u32_to_f64, u64_to_f16, u64_to_f32, u64_to_f64 } from "./convert";
export { f16_div, f32_div, f64_div } from "./divide";
export { f32_add_rne, f32_div_rne, f32_fma_rne, f32_mul_rne, f32_sqrt_rne, f32_sub_rne, f64_add_rne, f64_div_rne, f64_fma_rne, f64_mul_rne, f64_sqrt_rne, f64_sub_rne } from "./fast";
export { f16_fma, f32_fma, f64_fma } from "./fma";
export { f16_round, f16_roundnx, f32_round, f32_roundnx, f64_round, f64_roundnx } from "./integral";
export { f16_mul, f32_mul, f64_mul } from "./multiply";
export { f16_sqrt, f32_sqrt, f64_sqrt } from "./sqrt";
