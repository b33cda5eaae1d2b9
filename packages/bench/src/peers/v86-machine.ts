/**
 * v86 as a process: boots a Linux kernel for i386 with its serial port on stdin and stdout.
 * Arguments: the folder of SeaBIOS, kernel, initramfs, command line, memory in MiB.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { V86 } from "v86";

const [bios = "", kernel = "", initrd = "", cmdline = "", memoryMiB = ""] = process.argv.slice(2);
const MIB = 2 ** 20;

function image(path: string): { buffer: ArrayBuffer } {
  return { buffer: new Uint8Array(readFileSync(path)).buffer };
}

const machine = new V86({
  wasm_path: fileURLToPath(new URL("v86.wasm", import.meta.resolve("v86"))),
  memory_size: Number(memoryMiB) * MIB,
  vga_memory_size: MIB,
  bios: image(join(bios, "bios.bin")),
  vga_bios: image(join(bios, "vgabios-stdvga.bin")),
  bzimage: image(kernel),
  initrd: image(initrd),
  cmdline,
  autostart: true,
  disable_keyboard: true,
  disable_mouse: true,
  disable_speaker: true,
});
machine.add_listener("serial0-output-byte", (byte: number) => process.stdout.write(Uint8Array.of(byte)));
process.stdin.on("data", (bytes) => machine.serial0_send(bytes.toString("latin1")));
