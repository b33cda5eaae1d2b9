/** The hart's state is ready for the hypervisor extension: V is a second dimension of privilege. */
import { expect, it } from "vitest";
import { createTestHart, RAM_BASE } from "./harness.js";

const PRIVILEGE = { user: 0, supervisor: 1, machine: 3 };

/** The TLB banks that loads and fetches use. */
async function banks(privilege: keyof typeof PRIVILEGE, ...virtualization: number[]): Promise<string[]> {
  const hart = await createTestHart();
  hart.setField("privilege", PRIVILEGE[privilege]);
  return virtualization.map((value) => {
    hart.setField("virtualization", value);
    hart.refresh();
    return `${hart.getField("dataBank")} ${hart.getField("fetchBank")}`;
  });
}

it.each(["user", "supervisor"] as const)("a guest's %s mode has TLB banks of its own", async (mode) => {
  const [host, guest, hostAgain] = await banks(mode, 0, 1, 0);
  expect(guest).not.toBe(host);
  expect(hostAgain).toBe(host);
});

it("M-mode is nobody's guest", async () => {
  const [one, other] = await banks("machine", 0, 1);
  expect(other).toBe(one);
});

it("a guest runs by one stage of translation while hgatp is Bare", async () => {
  const hart = await createTestHart();
  hart.writeCsr(0x3b0, (1n << 54n) - 1n);
  hart.writeCsr(0x3a0, 0x1fn);
  hart.writeMemory(RAM_BASE, Uint8Array.of(0x13, 0x05, 0x70, 0x00)); // addi a0, zero, 7
  hart.setField("privilege", PRIVILEGE.supervisor);
  hart.setField("virtualization", 1);
  hart.refresh();
  hart.run(1);
  expect(hart.getX(10)).toBe(7n);
});
