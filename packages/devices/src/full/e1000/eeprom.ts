/**
 * The card's EEPROM (82540EM manual, 5): 64 words with its MAC address and PCI
 * identity, which drivers read through EERD, or bit by bit over the wires in
 * EECD as from a Microwire part. Writing is not connected.
 */

const WORDS = 64;
/** What the sum of all words is. */
const CHECKSUM = 0xbaba;

/** Bits of EECD (13.4.3). */
const Wire = {
  Clock: 0x1,
  Select: 0x2,
  DataIn: 0x4,
  DataOut: 0x8,
  Request: 0x40,
  Grant: 0x80,
  Present: 0x100,
} as const;
const WRITABLE = 0x77;

/** Fields of EERD (13.4.4). */
const START = 0x1;
const DONE = 0x10;

/** A start bit, two of the instruction, six of the address. */
const INSTRUCTION_BITS = 9;
const READ = 0b110;

/** What has gone over the wires. */
export interface EepromState {
  readonly control: number;
  readonly read: number;
  readonly received: number;
  readonly bits: number;
  readonly sent: number;
}

export class Eeprom {
  readonly words: Uint16Array;
  #control = 0;
  #read = 0;
  /** Bits shifted in since the start bit, and how many. */
  #received = 0;
  #bits = 0;
  /** Bits of data that were shifted out. */
  #sent = 0;

  constructor(mac: Uint8Array) {
    const words = new Uint16Array(WORDS);
    for (let n = 0; n < 3; n++) words[n] = (mac[2 * n] ?? 0) | ((mac[2 * n + 1] ?? 0) << 8);
    words.set([0x4408, 0x001e, 0x8086, 0x100e, 0x8086], 0x0a); // control word, subsystem, device
    let sum = 0;
    for (const word of words) sum += word;
    words[WORDS - 1] = CHECKSUM - sum;
    this.words = words;
  }

  reset(): void {
    this.restore({ control: 0, read: 0, received: 0, bits: 0, sent: 0 });
  }

  get control(): number {
    const grant = this.#control & Wire.Request ? Wire.Grant : 0;
    return this.#control | grant | Wire.Present | (this.#dataOut ? Wire.DataOut : 0);
  }

  set control(value: number) {
    const before = this.#control;
    this.#control = value & WRITABLE;
    if ((value & Wire.Select) === 0) {
      this.#received = 0;
      this.#bits = 0;
      this.#sent = 0;
    } else if (value & Wire.Clock && (before & Wire.Clock) === 0) this.#shift((value & Wire.DataIn) !== 0);
  }

  get read(): number {
    return this.#read;
  }

  set read(value: number) {
    const address = (value >>> 8) & 0xff;
    const word = this.words[address] ?? 0;
    this.#read = value & START ? ((word << 16) | (address << 8) | DONE) >>> 0 : value & 0xff00;
  }

  save(): EepromState {
    return { control: this.#control, read: this.#read, received: this.#received, bits: this.#bits, sent: this.#sent };
  }

  restore({ control, read, received, bits, sent }: EepromState): void {
    this.#control = control;
    this.#read = read;
    this.#received = received;
    this.#bits = bits;
    this.#sent = sent;
  }

  /** A rising clock: a bit in, while the instruction is not whole, or one out. */
  #shift(bit: boolean): void {
    if (this.#bits === INSTRUCTION_BITS) {
      this.#sent = (this.#sent + 1) % (16 * WORDS);
      return;
    }
    if (this.#bits === 0 && !bit) return; // the start bit is 1
    this.#received = (this.#received << 1) | (bit ? 1 : 0);
    this.#bits++;
  }

  /** High while idle, a 0 ahead of the data, then words from the address on, highest bit first. */
  get #dataOut(): boolean {
    if (this.#bits < INSTRUCTION_BITS || this.#received >>> 6 !== READ) return true;
    if (this.#sent === 0) return false;
    const bit = this.#sent - 1;
    const word = this.words[((this.#received & 0x3f) + (bit >>> 4)) % WORDS] ?? 0;
    return ((word >>> (15 - (bit & 15))) & 1) !== 0;
  }
}
