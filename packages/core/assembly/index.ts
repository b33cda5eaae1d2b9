/** What the interpreter's module exports to TypeScript, and nothing else. */
export { dropAllCode } from "./code/pages";
export { readCsr, writeCsr } from "./generated/csrs";
export { dropStoreEntries, prepareHostWrite } from "./memory/frames";
export { dropAllBanks, fence, forgetRegimes, selectBanks } from "./memory/tlb";
export { updateFloatFast } from "./privileged/float-state";
export { changeCounterMode, chooseCounters } from "./privileged/performance-counters";
export { timeNow, nextDeadline, updateTimers } from "./privileged/time";
export { isAwake, raiseException } from "./privileged/trap";
export { complete, run } from "./run";
