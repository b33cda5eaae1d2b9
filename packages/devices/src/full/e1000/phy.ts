/**
 * The card's PHY (82540EM manual, 11; IEEE 802.3, 22.2.4): registers behind
 * MDIC. Its partner is always there, and autonegotiation takes no time.
 */

const ADDRESS = 1;
const REGISTERS = 32;

/** Registers. */
const Phy = {
  Control: 0,
  Status: 1,
  Id1: 2,
  Id2: 3,
  Advertisement: 4,
  PartnerAbility: 5,
  Expansion: 6,
  GigabitControl: 9,
  GigabitStatus: 10,
  ExtendedStatus: 15,
  SpecificControl: 16,
  SpecificStatus: 17,
  ExtendedControl: 20,
} as const;

/** Bits of the control register. */
const Bit = { Reset: 0x8000, PowerDown: 0x0800, Restart: 0x0200 } as const;

const INITIAL: readonly (readonly [number, number])[] = [
  [Phy.Control, 0x1140], // autonegotiation, full duplex, 1000 Mb/s
  [Phy.Id1, 0x0141],
  [Phy.Id2, 0x0c20],
  [Phy.Advertisement, 0x0de1],
  [Phy.PartnerAbility, 0x4de1],
  [Phy.Expansion, 0x0001],
  [Phy.GigabitControl, 0x0e00],
  [Phy.ExtendedStatus, 0x3000],
  [Phy.SpecificControl, 0x0360],
  [Phy.ExtendedControl, 0x0d60],
];
/** Which bits of a register can be written; those that are not here, none. */
const WRITABLE: ReadonlyMap<number, number> = new Map([
  [Phy.Control, 0x7dc0],
  [Phy.Advertisement, 0xffff],
  [Phy.GigabitControl, 0xffff],
  [Phy.SpecificControl, 0xffff],
  [Phy.ExtendedControl, 0xffff],
]);

/** Fields of MDIC (13.4.8). */
const Mdic = { Write: 1, Read: 2, Ready: 0x1000_0000, Interrupt: 0x2000_0000, Error: 0x4000_0000 } as const;

export class PhyTransceiver {
  readonly #registers = new Uint16Array(REGISTERS);
  readonly #linkMayHaveChanged: () => void;
  /** Whether the cable is plugged in. */
  hasCable = true;
  #mdic: number = Mdic.Ready;

  /** @param linkMayHaveChanged - the link went up or down, or was negotiated anew */
  constructor(linkMayHaveChanged: () => void) {
    this.#linkMayHaveChanged = linkMayHaveChanged;
    this.reset();
  }

  reset(): void {
    this.#registers.fill(0);
    for (const [register, value] of INITIAL) this.#registers[register] = value;
  }

  get isLinked(): boolean {
    return this.hasCable && ((this.#registers[Phy.Control] ?? 0) & Bit.PowerDown) === 0;
  }

  get mdic(): number {
    return this.#mdic;
  }

  /** A frame over the management interface; true if the guest wants an interrupt for its end. */
  transfer(value: number): boolean {
    const register = (value >>> 16) & 0x1f;
    const operation = (value >>> 26) & 3;
    const isHere = ((value >>> 21) & 0x1f) === ADDRESS;
    const request = (value & ~(Mdic.Error | Mdic.Ready)) >>> 0;
    this.#mdic = (request | Mdic.Ready) >>> 0;
    if (!isHere) this.#mdic = (this.#mdic | Mdic.Error) >>> 0;
    else if (operation === Mdic.Write) this.#write(register, value & 0xffff);
    else if (operation === Mdic.Read) this.#mdic = ((this.#mdic & 0xffff_0000) | this.#read(register)) >>> 0;
    return (value & Mdic.Interrupt) !== 0;
  }

  save(): { readonly registers: Uint16Array; readonly mdic: number } {
    return { registers: this.#registers.slice(), mdic: this.#mdic };
  }

  restore({ registers, mdic }: ReturnType<PhyTransceiver["save"]>): void {
    this.#registers.set(registers);
    this.#mdic = mdic;
  }

  #read(register: number): number {
    switch (register) {
      case Phy.Status:
        return this.isLinked ? 0x796d : 0x7949; // link is up, negotiation is complete
      case Phy.GigabitStatus:
        return this.isLinked ? 0x3c00 : 0;
      case Phy.SpecificStatus:
        return this.isLinked ? 0xac00 : 0; // 1000 Mb/s, full duplex, resolved, linked
      default:
        return this.#registers[register] ?? 0;
    }
  }

  #write(register: number, value: number): void {
    if (register === Phy.Control && value & Bit.Reset) this.reset();
    else this.#registers[register] = merge(this.#registers[register] ?? 0, value, WRITABLE.get(register) ?? 0);
    if (register === Phy.Control) this.#linkMayHaveChanged();
  }
}

function merge(before: number, value: number, mask: number): number {
  return (before & ~mask) | (value & mask);
}
