/** The saved state of an 82540EM, and the check of one that comes back. */
import type { DeviceState } from "@hartvisor/core";
import { SavedFields } from "../saved-fields.js";
import type { EepromState } from "./eeprom.js";
import { CAUSES, MTA_END, PLAIN_REGISTERS, RAL_END, REGISTERS_END, Register, VFTA_END } from "./registers.js";
import { STATISTICS_WORDS } from "./statistics.js";
import type { TransmitterState } from "./transmitter.js";

/** What a card saves. */
export interface E1000State extends DeviceState {
  readonly version: 1;
  readonly mac: Uint8Array;
  /** PCI configuration space. */
  readonly space: Uint8Array;
  readonly registers: Uint32Array;
  readonly statistics: Uint32Array;
  readonly interrupts: { readonly causes: number; readonly mask: number; readonly throttle: number };
  readonly eeprom: EepromState;
  readonly phy: { readonly registers: Uint16Array; readonly mdic: number };
  readonly transmitter: TransmitterState;
  readonly ioAddress: number;
  readonly link: boolean;
  readonly isConnected: boolean;
}

const NAMES: readonly (keyof E1000State)[] = [
  ...(["mac", "space", "registers", "statistics", "interrupts", "eeprom", "phy", "transmitter"] as const),
  ...(["ioAddress", "link", "isConnected"] as const),
];
const MAX_PACKET = 14 + 65535;

/** Reads a saved state, or throws a HartvisorError (`invalid-argument`) where no card of that address can have saved it. */
export function parseE1000State(device: string, state: DeviceState, mac: Uint8Array): E1000State {
  const fields = new SavedFields(device, state, 1, NAMES);
  const { interrupts, eeprom, phy, transmitter } = state as E1000State;
  const savedMac = fields.bytes("mac", { least: 6, most: 6 });
  fields.require(
    savedMac.every((byte, n) => byte === mac[n]),
    "it had another MAC address",
  );
  const registers = fields.words("registers", REGISTERS_END / 4);
  fields.require(
    registers.every((value, n) => (value & ~maskOf(4 * n)) === 0),
    `"registers" has bits that no register keeps`,
  );
  const isIn = (value: unknown, most: number) => Number.isInteger(value) && Number(value) >= 0 && Number(value) <= most;
  const areInterrupts =
    isIn(interrupts?.causes, CAUSES) && isIn(interrupts.mask, CAUSES) && isIn(interrupts.throttle, 0xffff);
  fields.require(areInterrupts, `"interrupts" are none`);
  const isEeprom =
    isIn(eeprom?.control, 0x77) &&
    isIn(eeprom.read, 0xffff_ffff) &&
    isIn(eeprom.received, 0x1ff) &&
    isIn(eeprom.bits, 9) &&
    isIn(eeprom.sent, 1024);
  fields.require(isEeprom, `"eeprom" is none`);
  const isPhy = phy?.registers instanceof Uint16Array && phy.registers.length === 32 && isIn(phy.mdic, 0xffff_ffff);
  fields.require(isPhy, `"phy" is none`);
  const isTransmitter =
    transmitter?.contexts instanceof Uint32Array &&
    transmitter.contexts.length === 8 &&
    transmitter.packet instanceof Uint8Array &&
    transmitter.packet.length <= MAX_PACKET &&
    isIn(transmitter.options, 0xff00) &&
    isIn(transmitter.sentBytes, Number.MAX_SAFE_INTEGER) &&
    (transmitter.vlan === -1 || isIn(transmitter.vlan, 0xffff)) &&
    typeof transmitter.isSegmented === "boolean" &&
    typeof transmitter.isDropped === "boolean";
  fields.require(isTransmitter, `"transmitter" is none`);
  return {
    version: 1,
    mac: savedMac,
    space: fields.bytes("space", { least: 256, most: 256 }),
    registers,
    statistics: fields.words("statistics", STATISTICS_WORDS),
    interrupts: { ...interrupts },
    eeprom: { ...eeprom },
    phy: { registers: phy.registers.slice(), mdic: phy.mdic },
    transmitter: { ...transmitter },
    ioAddress: fields.bits("ioAddress", 0x1_ffff),
    link: fields.boolean("link"),
    isConnected: fields.boolean("isConnected"),
  };
}

/** The bits that a register can hold; those that are kept elsewhere hold none. */
function maskOf(offset: number): number {
  const isTable =
    (offset >= Register.MTA && offset < MTA_END) ||
    (offset >= Register.RAL && offset < RAL_END) ||
    (offset >= Register.VFTA && offset < VFTA_END);
  if (isTable || offset === Register.CTRL) return 0xffff_ffff;
  return PLAIN_REGISTERS.get(offset) ?? 0;
}
