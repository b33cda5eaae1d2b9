/** Writes what executes privileged instructions and accesses to CSRs apart from the interpreter's loop. */
import type { Semantics, SystemHelper } from "../instruction.js";
import { operations } from "./operations.js";

/** System instructions that every mode below S may not execute, and nothing but state of the hart's takes part in. */
const PRIVILEGED: readonly SystemHelper[] = [
  ...(["mret", "sret", "wfi", "sfence_vma", "sfence_w_inval", "sfence_inval_ir"] as const),
];

function call(semantics: Semantics): string | undefined {
  if (semantics.kind === "csr") {
    const operation = `CSR_${semantics.operation.toUpperCase()}`;
    return `csr(hart, slot, ${operation}, ${semantics.source === "immediate"})`;
  }
  if (semantics.kind !== "system" || !PRIVILEGED.includes(semantics.helper)) return undefined;
  return `${semantics.helper}(hart, slot)`;
}

export function generatePrivileged(): string {
  const cases = operations.flatMap(({ number, instruction }) => {
    const body = call(instruction.semantics);
    return body === undefined ? [] : [`    case ${number}: // ${instruction.name}`, `      return ${body};`];
  });
  return `import { CSR_CLEAR, CSR_SET, CSR_WRITE, csr, ${PRIVILEGED.join(", ")} } from "../privileged/system";

/** No instruction of those that {@link executePrivileged} knows. */
export const NOT_PRIVILEGED: u32 = 0xff;

/** Executes the decoded privileged instruction or CSR access in a slot on the registers in the window; gives its status. */
export function executePrivileged(hart: usize, slot: usize): u32 {
  switch (<u32>load<u16>(slot)) {
${cases.join("\n")}
  }
  return NOT_PRIVILEGED;
}`;
}
