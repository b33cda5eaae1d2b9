// Builds every guest of this folder into built/*.elf, or (--check) builds them elsewhere and compares. The ELF files are committed, so
// that tests and benchmarks need no cross compiler; they carry no paths, dates or build ids, so that a rebuild with the same compiler
// gives the same bytes. Plain Node, no dependencies: `node packages/bench/guests/build.mjs [--check]`.
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const BUILT = join(HERE, "built");
/** Compilers of Debian's: what stands before the names of their tools, and the package. */
const RISCV64 = { prefix: "riscv64-linux-gnu-", debianPackage: "gcc-riscv64-linux-gnu" };
/** The compiler for amd64, which compiles for i386, too; on other machines the package is gcc-x86-64-linux-gnu. */
const I386 = { prefix: "x86_64-linux-gnu-", debianPackage: "gcc" };

/** The committed files stay small: a guest above this is a mistake (a buffer in .data, say). */
const ELF_BYTES_MAX = 40 * 1024;

const COMPILE = [
  ...["-std=gnu11", "-O2", "-Wall", "-Wextra"],
  ...["-ffreestanding", "-fno-pic", "-fno-stack-protector", "-fno-asynchronous-unwind-tables", "-fno-math-errno"],
  ...["-fno-tree-loop-distribute-patterns", `-ffile-prefix-map=${HERE}=`, "-Iruntime"],
  ...["-static", "-no-pie", "-nostdlib", "-nostartfiles", "-Wl,--build-id=none"],
  ...["-Wl,-z,norelro", "-Wl,-z,max-page-size=4096", "-Wl,--fatal-warnings"],
];
const RV64GC = ["-march=rv64gc", "-mabi=lp64d", "-mcmodel=medany"];
/** Doubles in SSE2's registers, as on amd64: with the x87's, results would have other digits. */
const PENTIUM4 = ["-m32", "-march=pentium4", "-mfpmath=sse"];
const BARE_METAL = [...RV64GC, "-Wl,-T,runtime/guest.ld"];
/** Static Linux programs: code apart from data, as Linux maps them. */
const LINUX = ["-Ilinux", "-Ikernels", "-Wl,-z,separate-code"];

/** Symbols by which a host finds HTIF and the signature; all others are stripped. */
const KEPT_SYMBOLS = ["_start", "tohost", "fromhost", "begin_signature", "end_signature"];

const CRT = "runtime/crt.S";
const LIBRARY = [CRT, "runtime/htif.c", "runtime/print.c", "runtime/memory.c"];
const FDT = "runtime/fdt.c";

/** The measuring kernel: no floating point, and a linker script of its own. */
const MICROKERNEL = [
  ...["-march=rv64imac_zicsr_zifencei", "-mabi=lp64", "-mcmodel=medany", "-Imicrokernel"],
  ...["-Wl,-T,microkernel/kernel.ld"],
  ...["boot", "note", "process", "trap-hypercall", "trap-native", "user"].map((name) => `microkernel/${name}.S`),
  ...["board", "frames", "main", "ops-hypercall", "ops-native", "paging", "panic", "process", "secondary", "trap"].map(
    (name) => `microkernel/${name}.c`,
  ),
  ...["calls", "devices", "interrupts", "paging"].map((name) => `microkernel/benchmarks/${name}.c`),
  ...["balloon", "consoles", "e1000", "nvme", "pci", "virtio", "virtio-card", "virtio-disk"].map(
    (name) => `microkernel/drivers/${name}.c`,
  ),
  ...["runtime/print.c", "runtime/memory.c", FDT],
];

const LINUX_LIBRARY = ["linux/start.c", "runtime/print.c", "runtime/memory.c"];

const bareMetal = (name, ...sources) => [name, [...BARE_METAL, ...sources]];
const kernel = (name) => bareMetal(name, `kernels/${name}.c`, "kernels/main.c", ...LIBRARY);
const test = (name, ...also) => bareMetal(name, `tests/${name}.c`, ...LIBRARY, ...also);
/** A test that is assembly alone: it has its own _start. */
const bare = (name) => bareMetal(name, `tests/${name}.S`);
/** One that checks the privileged architecture. */
const conformance = (name) => bareMetal(`conformance/${name}`, `conformance/${name}.S`);
/** One that begins in S-mode, to show the benchmark ABI. */
const example = (name) => [
  `examples/${name}`,
  [...RV64GC, "-Wl,-T,examples/example.ld", `examples/${name}.c`, "runtime/memory.c"],
];
const linux = (name, ...sources) => [`peers/${name}`, [...RV64GC, ...LINUX, ...sources, ...LINUX_LIBRARY]];
const linuxI386 = (name, ...sources) => [
  `peers-i386/${name}`,
  [...PENTIUM4, ...LINUX, ...sources, ...LINUX_LIBRARY, "linux/divide-i386.c"],
];
/** One that looks at a file system. */
const files = (name, ...sources) => [
  `files/${name}`,
  [...RV64GC, ...LINUX, ...sources.map((source) => `files/${source}.c`), ...LINUX_LIBRARY],
];
/** A program of the peers benchmark: a kernel, from here or from the interpreter's benchmark, in a Linux process. */
const peer = (name, source = `peers/${name}.c`, ...flags) => {
  const args = [...flags, source, "peers/main.c", "peers/timing.c"];
  return [linux(name, ...args), linuxI386(name, ...args)];
};

/** @type {Map<string, string[]>} the name of each ELF file, without its suffix, and the compiler's arguments */
const GUESTS = new Map([
  ...["sort", "hash", "recursion", "bytecode", "nbody", "copy"].map(kernel),
  bareMetal(
    "demo",
    ...[CRT, "demo/demo.c", "demo/editor.c", "demo/trap.S", "demo/uart.c", "runtime/print.c", "runtime/memory.c", FDT],
  ),
  ...["hello", "exit42", "htif-write", "paging", "selfmod", "timer", "churn"].map((name) => test(name)),
  test("smp", FDT),
  bareMetal("paravirtual", "tests/paravirtual.c", "tests/paravirtual-entry.S"),
  ["microkernel", MICROKERNEL],
  ...["fault-loop", "wild-jump", "spin", "signature", "tohost-split"].map(bare),
  ...["counters", "csrs", "interrupts", "pmp-walk", "smepmp", "traps"].map(conformance),
  ...["sort", "hash", "recursion", "nbody"].flatMap((name) => peer(name, `kernels/${name}.c`)),
  ...["matrix", "string", "bytecode", "crc", "mandelbrot", "lu", "fft"].flatMap((name) => peer(name)),
  ...["getppid", "pipe", "fault", "spawn"].flatMap((name) => peer(name)),
  ...peer("chase-small", "peers/chase.c", "-DCHASE_BYTES=(1 << 14)"),
  ...peer("chase-large", "peers/chase.c", "-DCHASE_BYTES=(1 << 25)"),
  linux("nothing", "peers/nothing.c"),
  linuxI386("nothing", "peers/nothing.c"),
  linux("measure", "peers/measure.c", "peers/timing.c"),
  example("first"),
  ["io", [...RV64GC, ...LINUX, "io/io.c", ...LINUX_LIBRARY]],
  files("content", "content"),
  files("semantics", "main", "names", "metadata", "sharing", "report"),
  ["perf", [...RV64GC, ...LINUX, "perf/perf.c", ...LINUX_LIBRARY]],
]);

/** An error whose message is all that the user needs. */
class BuildError extends Error {}

const execute = promisify(execFile);

async function run({ prefix, debianPackage }, tool, args) {
  try {
    const { stderr } = await execute(prefix + tool, args, { cwd: HERE, env: { ...process.env, LC_ALL: "C" } });
    process.stderr.write(stderr);
  } catch (error) {
    if (error.code === "ENOENT") {
      throw new BuildError(`${prefix}${tool} is not installed: apt-get install ${debianPackage}`);
    }
    throw new BuildError(`${prefix}${tool} failed:\n${error.stderr || error.message}`);
  }
}

async function buildGuest(name, args, directory) {
  const output = join(directory, `${name}.elf`);
  await mkdir(dirname(output), { recursive: true });
  const compiler = args.includes("-m32") ? I386 : RISCV64;
  await run(compiler, "gcc", [...COMPILE, ...args, "-o", output]);
  await run(compiler, "strip", ["--strip-all", ...KEPT_SYMBOLS.flatMap((symbol) => ["-K", symbol]), output]);
  const { length } = await readFile(output);
  if (length > ELF_BYTES_MAX) {
    throw new BuildError(`${name}.elf has ${length} bytes, more than ${ELF_BYTES_MAX}`);
  }
}

async function buildAll(directory) {
  const waiting = [...GUESTS];
  const worker = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      await buildGuest(...next, directory);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
}

/** The files of built/ that no guest accounts for. */
async function strays() {
  const folders = new Set([...GUESTS.keys()].map(dirname));
  const names = (await readdir(BUILT, { recursive: true })).filter((name) => !folders.has(name));
  return names.filter((name) => !GUESTS.has(name.replace(/\.elf$/, "")));
}

async function readIfPresent(path) {
  try {
    return await readFile(path);
  } catch (error) {
    if (error.code === "ENOENT") {
      return undefined;
    }
    throw error;
  }
}

async function differences(directory) {
  const found = (await strays()).map((file) => `${file}: no guest of this name`);
  for (const name of GUESTS.keys()) {
    const file = `${name}.elf`;
    const committed = await readIfPresent(join(BUILT, file));
    const rebuilt = await readFile(join(directory, file));
    if (committed === undefined) {
      found.push(`${file}: not in built/`);
    } else if (!committed.equals(rebuilt)) {
      found.push(`${file}: differs from its sources (${committed.length} bytes there, ${rebuilt.length} rebuilt)`);
    }
  }
  return found;
}

async function check() {
  const directory = await mkdtemp(join(tmpdir(), "hartvisor-guests-"));
  try {
    await buildAll(directory);
    const found = await differences(directory);
    if (found.length > 0) {
      throw new BuildError(`built/ is not what the sources give:\n  ${found.join("\n  ")}`);
    }
  } finally {
    await rm(directory, { recursive: true });
  }
  console.log(`${GUESTS.size} guests: built/ matches the sources`);
}

async function build() {
  await mkdir(BUILT, { recursive: true });
  await buildAll(BUILT);
  for (const file of await strays()) {
    await rm(join(BUILT, file));
  }
  console.log(`${GUESTS.size} guests built`);
}

const [option, ...rest] = process.argv.slice(2);
if ((option !== undefined && option !== "--check") || rest.length > 0) {
  console.error("usage: node build.mjs [--check]");
  process.exitCode = 2;
} else {
  try {
    await (option === "--check" ? check() : build());
  } catch (error) {
    if (!(error instanceof BuildError)) {
      throw error;
    }
    console.error(`build.mjs: ${error.message}`);
    process.exitCode = 1;
  }
}
