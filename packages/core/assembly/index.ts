/** What the interpreter's module exports to TypeScript, and nothing else. */
export { dropAllCode } from "./code/pages";
export { instructionAt } from "./code/fetch";
export { readCsr, writeCsr } from "./generated/csrs";
export { execute } from "./generated/execute";
export { dropStoreEntries, prepareHostWrite } from "./memory/frames";
export { dropAllBanks, dropFetchTables, fence, forgetRegimes, selectBanks } from "./memory/tlb";
export { translate } from "./memory/translation/translation";
export { updateFloatFast } from "./privileged/float-state";
export { timeNow, nextDeadline, updateTimers } from "./privileged/time";
export { isAwake, raiseException } from "./privileged/trap";
export { complete, run } from "./run";
