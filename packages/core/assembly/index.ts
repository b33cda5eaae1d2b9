/** What the interpreter's module exports to TypeScript, and nothing else. */
export { dropAllCode, dropCodeOf } from "./code/pages";
export { readCsr, writeCsr } from "./generated/csrs";
export { dropReleased, dropStoreEntries, guardRegion, prepareHostWrite } from "./memory/frames";
export { dataRegime, dropAllBanks, fence, fenceRange, forgetRegimes, selectBanks } from "./memory/tlb";
export { leafPermissions } from "./memory/translation/paged";
export { updateFloatFast } from "./privileged/float-state";
export { changeCounterMode, chooseCounters } from "./privileged/performance-counters";
export { timeNow, nextDeadline, updateTimers } from "./privileged/time";
export { isAwake } from "./privileged/trap";
export { complete, run } from "./run";
export { emulate } from "./virtualization/emulate";
export { runDeprivileged, stepWithOpenTables, walkGuest } from "./virtualization/executor";
export { adoptArea, raiseFromHost as raiseException, setRoots } from "./virtualization/paravirtual";
export { dropJumpCaches, enterable } from "./translated/entry";
export { csrInRegion, sstatusInRegion } from "./translated/csr";
export { loadSlow, reserveSlow, storeConditionalSlow, storeSlow, touch, zeroInRegion } from "./translated/memory";
export { systemInRegion } from "./translated/system";

// What regions call.
export { div, divu, divuw, divw, mulh, mulhsu, mulhu, orc_b, rem, remu, remuw, remw, rev8 } from "./arithmetic";
export { clmul, clmulh, clmulr } from "./carryless";
export { aes64ds, aes64dsm, aes64es, aes64esm, aes64im, aes64ks1i } from "./crypto/aes";
export { sm4_key, sm4_round } from "./crypto/sm4";
export { brev8, xperm4, xperm8 } from "./permute";
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
} from "./float/fast";
