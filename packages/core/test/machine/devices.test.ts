/** Device registers as the guest reaches them: widths, extension, faults, and what must not reach a device. */
import { describe, expect, it } from "vitest";
import { FakeDevice, WideDevice } from "./fakes.js";
import { Cause, createGuest, DATA, type Guest, PACES, PROGRAM, RAM, Status } from "./guest.js";
import { AddressSpace, OPEN, OPEN_TO_USER } from "./page-tables.js";

const BASE = 0x1000_0000;

describe.each(PACES)("devices, %s", (pace) => {
  async function run(source: string, device = new FakeDevice(BASE)): Promise<{ guest: Guest; device: FakeDevice }> {
    const guest = await createGuest({ pace });
    guest.machine.attach(device);
    guest.setBits("mstatus", Status.FS);
    guest.load(PROGRAM, `${source}\nj .+0`);
    guest.set({ a0: 0x77n, a1: BASE, a2: 0x1122_3344_5566_7788n });
    guest.enter("machine");
    guest.run();
    return { guest, device };
  }

  describe("loads", () => {
    const loads: readonly (readonly [source: string, value: bigint, log: readonly string[]])[] = [
      ["lb a0, 1(a1)", 0xffff_ffff_ffff_ff81n, ["read 1 +1"]],
      ["lbu a0, 1(a1)", 0x81n, ["read 1 +1"]],
      ["lh a0, 2(a1)", 0xffff_ffff_ffff_8382n, ["read 2 +2"]],
      ["lhu a0, 2(a1)", 0x8382n, ["read 2 +2"]],
      ["lw a0, 4(a1)", 0xffff_ffff_8786_8584n, ["read 4 +4"]],
      ["lwu a0, 4(a1)", 0x8786_8584n, ["read 4 +4"]],
      ["c.lw a0, 4(a1)", 0xffff_ffff_8786_8584n, ["read 4 +4"]],
      ["ld a0, 8(a1)", 0x8f8e_8d8c_8b8a_8988n, ["read 4 +8", "read 4 +12"]],
      ["c.ld a0, 8(a1)", 0x8f8e_8d8c_8b8a_8988n, ["read 4 +8", "read 4 +12"]],
      ["flw fa0, 4(a1); fmv.x.d a0, fa0", 0xffff_ffff_8786_8584n, ["read 4 +4"]],
      ["fld fa0, 8(a1); fmv.x.d a0, fa0", 0x8f8e_8d8c_8b8a_8988n, ["read 4 +8", "read 4 +12"]],
      ["c.fld fa0, 8(a1); fmv.x.d a0, fa0", 0x8f8e_8d8c_8b8a_8988n, ["read 4 +8", "read 4 +12"]],
    ];
    it.each(loads)("`%s`", async (source, value, log) => {
      const { guest, device } = await run(source);
      expect(guest.get("a0")).toBe(value);
      expect(device.log).toEqual(log);
    });

    it("of 64 bits are one access for a device that has it", async () => {
      const { guest, device } = await run("ld a0, 16(a1)", new WideDevice(BASE));
      expect(guest.get("a0")).toBe(0xfedc_ba98_7654_3210n);
      expect(device.log).toEqual(["read 8 +16"]);
    });

    it("to x0 reach the device and change nothing", async () => {
      const { guest, device } = await run("lw zero, 0(a1)\nadd a0, zero, zero");
      expect(device.log).toEqual(["read 4 +0"]);
      expect(guest.get("a0")).toBe(0n);
    });

    it("over their own base", async () => {
      const { guest } = await run("lbu a1, 5(a1)");
      expect(guest.get("a1")).toBe(0x85n);
    });

    it("make the float registers dirty", async () => {
      const guest = await createGuest({ pace });
      guest.machine.attach(new FakeDevice(BASE));
      guest.setCsrs({ mstatus: 1n << 13n });
      guest.load(PROGRAM, "flw fa0, 0(a1)\nj .+0");
      guest.set({ a1: BASE });
      guest.run();
      expect(guest.hart.getCsr("mstatus") & Status.FS).toBe(Status.FS);
    });
  });

  describe("stores", () => {
    const stores: readonly (readonly [source: string, log: readonly string[]])[] = [
      ["sb a2, 1(a1)", ["write 1 +1 = 88"]],
      ["sh a2, 2(a1)", ["write 2 +2 = 7788"]],
      ["sw a2, 4(a1)", ["write 4 +4 = 55667788"]],
      ["c.sw a2, 4(a1)", ["write 4 +4 = 55667788"]],
      ["sd a2, 8(a1)", ["write 4 +8 = 55667788", "write 4 +12 = 11223344"]],
      ["fmv.d.x fa0, a2; fsw fa0, 4(a1)", ["write 4 +4 = 55667788"]],
      ["fmv.d.x fa0, a2; fsd fa0, 8(a1)", ["write 4 +8 = 55667788", "write 4 +12 = 11223344"]],
      ["li a3, -1; sw a3, 0(a1)", ["write 4 +0 = ffffffff"]],
      ["sw zero, 0(a1)", ["write 4 +0 = 0"]],
    ];
    it.each(stores)("`%s`", async (source, log) => {
      expect((await run(source)).device.log).toEqual(log);
    });

    it("of 64 bits are one access for a device that has it", async () => {
      const { device } = await run("sd a2, 16(a1)", new WideDevice(BASE));
      expect(device.log).toEqual(["write 8 +16 = 1122334455667788"]);
    });
  });

  it("see the accesses of a program in its order, each once", async () => {
    const { device } = await run("sw zero, 0(a1)\nlw a0, 0(a1)\nsb a2, 3(a1)\nlw a0, 0(a1)\nlhu a0, 2(a1)");
    expect(device.log).toEqual(["write 4 +0 = 0", "read 4 +0", "write 1 +3 = 88", "read 4 +0", "read 2 +2"]);
  });

  it("are reached by an instruction that crosses pages", async () => {
    const guest = await createGuest({ pace });
    const device = new FakeDevice(BASE);
    guest.machine.attach(device);
    guest.load(DATA + 0xffe, "lw a0, 4(a1)\nsw a0, 8(a1)\nj .+0");
    guest.set({ a1: BASE });
    guest.enter("machine", DATA + 0xffe);
    guest.run();
    expect(device.log).toEqual(["read 4 +4", "write 4 +8 = 87868584"]);
    expect(guest.hart.pc).toBe(BigInt(DATA + 0x1006));
  });

  it("count each access as one instruction", async () => {
    const { guest } = await run("csrrw zero, minstret, zero\nlw a0, 0(a1)\nsw a0, 0(a1)\ncsrrs a3, minstret, zero");
    expect(guest.get("a3")).toBe(2n);
  });

  describe("beside them", () => {
    const faults: readonly (readonly [what: string, source: string, cause: bigint, value: number])[] = [
      ["a load where nothing is", "lw a0, -4(a1)", Cause.LoadAccessFault, BASE - 4],
      ["a store where nothing is", "sw a0, 256(a1)", Cause.StoreAccessFault, BASE + 0x100],
      ["a float load where nothing is", "fld fa0, 256(a1)", Cause.LoadAccessFault, BASE + 0x100],
      ["a misaligned load", "lw a0, 2(a1)", Cause.LoadAccessFault, BASE + 2],
      ["a misaligned store", "sd a0, 4(a1)", Cause.StoreAccessFault, BASE + 4],
      ["an AMO", "amoadd.w a0, a0, (a1)", Cause.StoreAccessFault, BASE],
      ["a load-reserved", "lr.w a0, (a1)", Cause.LoadAccessFault, BASE],
      ["a store-conditional", "sc.w a0, a0, (a1)", Cause.StoreAccessFault, BASE],
      ["cbo.zero", "cbo.zero 0(a1)", Cause.StoreAccessFault, BASE],
    ];
    it.each(faults)("%s is an access fault, and no access", async (_, source, cause, value) => {
      const { guest, device } = await run(source);
      expect(guest.machineTrap()).toEqual({ cause, pc: BigInt(PROGRAM), value: BigInt(value) });
      expect(guest.get("a0")).toBe(0x77n);
      expect(device.log).toEqual([]);
    });

    it("a load that leaves the last register is an access fault", async () => {
      const { guest, device } = await run("ld a0, 0(a1)", new FakeDevice(BASE, 4));
      expect(guest.machineTrap().cause).toBe(Cause.LoadAccessFault);
      expect(device.log).toEqual([]);
    });

    it("a fetch is an access fault", async () => {
      const { guest, device } = await run("jalr ra, 0(a1)");
      expect(guest.machineTrap()).toEqual({ cause: Cause.FetchAccessFault, pc: BigInt(BASE), value: BigInt(BASE) });
      expect(device.log).toEqual([]);
    });

    it("a fault does not count as an instruction", async () => {
      const { guest } = await run("csrrw zero, minstret, zero\nnop\nlw a0, 256(a1)");
      guest.machineTrap();
      const loops = BigInt(guest.hart.executedInstructions);
      // The mret that enters, three of the program, one of which faulted; the rest loops in the handler.
      expect(guest.hart.getCsr("minstret")).toBe(loops - 3n);
    });

    it("an access far above all memory is one, whatever its lower half names", async () => {
      const guest = await createGuest({ pace });
      const device = new FakeDevice(BASE);
      guest.machine.attach(device);
      for (const above of [1n << 32n, 1n << 52n, 1n << 56n, 1n << 63n]) {
        guest.set({ a1: above + BigInt(BASE) });
        expect(guest.trapOf("lw a0, 0(a1)").value).toBe(above + BigInt(BASE));
        guest.set({ a1: above + BigInt(DATA) });
        expect(guest.trapOf("sw a0, 0(a1)").cause).toBe(Cause.StoreAccessFault);
      }
      expect(device.log).toEqual([]);
    });
  });

  describe("behind translation", () => {
    async function mapped(source: string, flags = OPEN) {
      const guest = await createGuest({ pace });
      const device = new FakeDevice(BASE);
      guest.machine.attach(device);
      const space = new AddressSpace(guest);
      space.map(0x10000n, PROGRAM, OPEN);
      space.map(0x4000_0000n, BASE, flags);
      space.map(0x4000_1000n, BASE + 0x1000, flags);
      guest.setCsrs({ satp: space.satp() });
      guest.load(PROGRAM, `${source}\nj .+0`);
      guest.set({ a0: 0x77n, a1: 0x4000_0000n });
      guest.enter("supervisor", 0x10000n);
      guest.run();
      return { guest, device };
    }

    it("are where the page table says", async () => {
      const { guest, device } = await mapped("lbu a0, 5(a1)\nsb a0, 6(a1)");
      expect(guest.get("a0")).toBe(0x85n);
      expect(device.log).toEqual(["read 1 +5", "write 1 +6 = 85"]);
    });

    it("fault with the virtual address where nothing answers", async () => {
      const { guest } = await mapped("li a3, 0x1000\nadd a3, a3, a1\nsw a0, 8(a3)");
      expect(guest.machineTrap()).toMatchObject({ cause: Cause.StoreAccessFault, value: 0x4000_1008n });
    });

    it("fault by permission before anything reaches them", async () => {
      const { guest, device } = await mapped("lw a0, 0(a1)", OPEN_TO_USER);
      expect(guest.machineTrap()).toMatchObject({ cause: Cause.LoadPageFault, value: 0x4000_0000n });
      expect(device.log).toEqual([]);
    });
  });

  it("may interrupt the hart behind the very store that asks for it", async () => {
    const guest = await createGuest({ pace });
    const line = guest.machine.interruptLine(0, 11);
    const device = new FakeDevice(BASE);
    device.write = (_, __, value) => line.set(value !== 0);
    guest.machine.attach(device);
    guest.load(PROGRAM, "sw a2, 0(a1)\naddi a0, a0, 1\nj .+0");
    guest.setCsrs({ mie: 1n << 11n, mstatus: Status.MIE });
    guest.set({ a0: 0n, a1: BASE, a2: 1n });
    guest.run();
    expect(guest.machineTrap()).toEqual({ cause: (1n << 63n) | 11n, pc: BigInt(PROGRAM + 4), value: 0n });
    expect(guest.get("a0")).toBe(0n);
  });

  it("may write to memory, code included", async () => {
    const guest = await createGuest({ pace });
    const device = new FakeDevice(BASE);
    device.write = () => guest.load(PROGRAM + 4, "addi a0, a0, 100");
    guest.machine.attach(device);
    guest.load(PROGRAM, "sw a2, 0(a1)\naddi a0, a0, 1\nj .+0");
    guest.set({ a0: 0n, a1: BASE });
    guest.run();
    expect(guest.get("a0")).toBe(100n);
  });
});

describe("the bus", () => {
  it("refuses a device whose registers or name are another's", async () => {
    const { machine } = await createGuest();
    machine.attach(new FakeDevice(BASE, 0x100, "one"));
    expect(() => machine.attach(new FakeDevice(BASE + 0xff, 0x100, "two"))).toThrow("overlaps one");
    expect(() => machine.attach(new FakeDevice(BASE + 0x1000, 0x100, "one"))).toThrow("two devices are called one");
    machine.attach(new FakeDevice(BASE + 0x100, 0x100, "three"));
  });

  it("leads each access to its own device", async () => {
    const guest = await createGuest();
    const devices = [0, 1, 2].map((n) => new FakeDevice(BASE + n * 0x100, 0x100, `device-${n}`));
    for (const device of devices) guest.machine.attach(device);
    guest.load(PROGRAM, "lb a0, 0(a1)\nlb a0, 511(a1)\nlb a0, 256(a1)\nlb a0, 255(a1)\nj .+0");
    guest.set({ a1: BASE });
    guest.run();
    expect(devices.map(({ log }) => log)).toEqual([["read 1 +0", "read 1 +255"], ["read 1 +255", "read 1 +0"], []]);
  });

  it("leaves RAM to itself where a device covers it", async () => {
    const guest = await createGuest();
    const device = new FakeDevice(RAM, 0x1000);
    guest.machine.attach(device);
    guest.load(PROGRAM, "lw a0, 0(a1)\nj .+0");
    guest.set({ a1: RAM + 0x100 });
    guest.run();
    expect(device.log).toEqual([]);
    expect(guest.get("a0")).toBe(0n);
  });
});
