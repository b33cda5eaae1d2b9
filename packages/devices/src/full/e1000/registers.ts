/**
 * Registers of Intel's 82540EM (PCI/PCI-X Family of Gigabit Ethernet
 * Controllers Software Developer's Manual, 317453, section 13), by the
 * manual's names, and the bits of them that mean something here.
 */

/** Offsets in the controller's memory. */
export const Register = {
  CTRL: 0x0000,
  STATUS: 0x0008,
  EECD: 0x0010,
  EERD: 0x0014,
  CTRL_EXT: 0x0018,
  MDIC: 0x0020,
  FCAL: 0x0028,
  FCAH: 0x002c,
  FCT: 0x0030,
  VET: 0x0038,
  ICR: 0x00c0,
  ITR: 0x00c4,
  ICS: 0x00c8,
  IMS: 0x00d0,
  IMC: 0x00d8,
  RCTL: 0x0100,
  FCTTV: 0x0170,
  TXCW: 0x0178,
  RXCW: 0x0180,
  TCTL: 0x0400,
  TIPG: 0x0410,
  AIFS: 0x0458,
  LEDCTL: 0x0e00,
  PBA: 0x1000,
  FCRTL: 0x2160,
  FCRTH: 0x2168,
  RDBAL: 0x2800,
  RDBAH: 0x2804,
  RDLEN: 0x2808,
  RDH: 0x2810,
  RDT: 0x2818,
  RDTR: 0x2820,
  RXDCTL: 0x2828,
  RADV: 0x282c,
  RSRPD: 0x2c00,
  TXDMAC: 0x3000,
  TDBAL: 0x3800,
  TDBAH: 0x3804,
  TDLEN: 0x3808,
  TDH: 0x3810,
  TDT: 0x3818,
  TIDV: 0x3820,
  TXDCTL: 0x3828,
  TADV: 0x382c,
  TSPMT: 0x3830,
  Statistics: 0x4000,
  RXCSUM: 0x5000,
  MTA: 0x5200,
  RAL: 0x5400,
  VFTA: 0x5600,
  WUC: 0x5800,
  WUFC: 0x5808,
  WUS: 0x5810,
  MANC: 0x5820,
  IPAV: 0x5838,
  WUPL: 0x5900,
} as const;

/** Where the registers end that are kept as words. */
export const REGISTERS_END = 0x6000;
export const STATISTICS_END = 0x4100;
/** Tables: multicast hashes, receive addresses, VLANs. */
export const MTA_END = Register.MTA + 4 * 128;
export const RECEIVE_ADDRESSES = 16;
export const RAL_END = Register.RAL + 8 * RECEIVE_ADDRESSES;
export const VFTA_END = Register.VFTA + 4 * 128;

/** Device control (13.4.1). */
export const Control = { Reset: 0x0400_0000, VlanMode: 0x4000_0000, PhyReset: 0x8000_0000 } as const;
const CONTROL_INITIAL = 0x0000_0241; // full duplex, link up, 1000 Mb/s

/** Device status (13.4.2). */
export const Status = { FullDuplex: 0x1, LinkUp: 0x2, Gigabit: 0x80, DetectedGigabit: 0x200 } as const;

/** Receive control (13.4.22). */
export const ReceiveControl = {
  Enable: 0x2,
  Unicast: 0x8,
  Multicast: 0x10,
  LongPackets: 0x20,
  Broadcast: 0x8000,
  VlanFilter: 0x4_0000,
  SizeExtension: 0x200_0000,
  StripCrc: 0x400_0000,
} as const;

/** Transmit control (13.4.33). */
export const TransmitControl = { Enable: 0x2, PadShort: 0x8 } as const;

/** Receive checksum control (13.4.32). */
export const ReceiveChecksum = { Start: 0xff, Ip: 0x100, TcpUdp: 0x200 } as const;

/** Interrupt causes (13.4.17). */
export const Cause = {
  TransmitWrittenBack: 0x1,
  TransmitQueueEmpty: 0x2,
  LinkChange: 0x4,
  ReceiveMinimum: 0x10,
  ReceiveTimer: 0x80,
  MdiComplete: 0x200,
  SmallPacket: 0x1_0000,
} as const;
export const CAUSES = 0x1_f6df;

/** Registers without effects of their own, and the bits that they keep. */
export const PLAIN_REGISTERS: ReadonlyMap<number, number> = new Map<number, number>([
  [Register.CTRL_EXT, 0x00ff_0fff],
  [Register.FCAL, 0xffff_ffff],
  [Register.FCAH, 0xffff],
  [Register.FCT, 0xffff],
  [Register.VET, 0xffff],
  [Register.FCTTV, 0xffff],
  [Register.TXCW, 0xc000_ffff],
  [Register.RCTL, 0x077f_f3fe],
  [Register.TCTL, 0x03ff_fffa],
  [Register.TIPG, 0x3fff_ffff],
  [Register.AIFS, 0xffff],
  [Register.LEDCTL, 0xcfcf_cfcf],
  [Register.PBA, 0xffff],
  [Register.FCRTL, 0x8000_fff8],
  [Register.FCRTH, 0xfff8],
  [Register.RDBAL, 0xffff_fff0],
  [Register.RDBAH, 0xffff_ffff],
  [Register.RDLEN, 0xfff80],
  [Register.RDH, 0xffff],
  [Register.RDT, 0xffff],
  [Register.RDTR, 0xffff],
  [Register.RXDCTL, 0x013f_3f3f],
  [Register.RADV, 0xffff],
  [Register.RSRPD, 0xfff],
  [Register.TXDMAC, 0x1],
  [Register.TDBAL, 0xffff_fff0],
  [Register.TDBAH, 0xffff_ffff],
  [Register.TDLEN, 0xfff80],
  [Register.TDH, 0xffff],
  [Register.TDT, 0xffff],
  [Register.TIDV, 0xffff],
  [Register.TXDCTL, 0xfd3f_3f3f],
  [Register.TADV, 0xffff],
  [Register.TSPMT, 0xffff_ffff],
  [Register.RXCSUM, 0x7ff],
  [Register.WUC, 0xf],
  [Register.WUFC, 0x000f_80ff],
  [Register.MANC, 0xffff_ffff],
  [Register.IPAV, 0x1_000f],
]);

/** What is not 0 after a reset. */
export const INITIAL_REGISTERS: ReadonlyMap<number, number> = new Map<number, number>([
  [Register.CTRL, CONTROL_INITIAL],
  [Register.PBA, 0x0030], // 48 KiB for what is received; the other 16 are derived
  [Register.LEDCTL, 0x0706_8302],
  [Register.TXDCTL, 0x0100_0000],
  [Register.RXDCTL, 0x0101_0000],
]);
/** KiB of the packet buffer. */
export const PACKET_BUFFER = 64;
