import { mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CLI, CliProcess, guest, hartvisor } from "./cli-process.js";
import { FLOOD, tinyElf } from "./tiny-elf.js";

let folder: string;
const path = (name: string) => join(folder, name);

/** A Linux Image header, and nothing behind it. */
function imageHeader(imageSize: number): Uint8Array {
  const header = Buffer.alloc(4096);
  header.writeBigUInt64LE(0x20_0000n, 8);
  header.writeBigUInt64LE(BigInt(imageSize), 16);
  header.write("RISCV\0\0\0RSC\x05", 48, "latin1");
  return header;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hartvisor-usage-"));
  const code = FLOOD;
  const hello = await readFile(guest("hello"));
  const variant = (change: (file: Buffer) => void) => {
    const file = Buffer.from(tinyElf({ code }));
    change(file);
    return file;
  };
  const files: Readonly<Record<string, Uint8Array | string>> = {
    text: "This is no program.\n",
    empty: "",
    "truncated.elf": hello.subarray(0, 300),
    "header.elf": hello.subarray(0, 40),
    "x86.elf": variant((file) => file.writeUInt16LE(62, 18)),
    "32-bit.elf": variant((file) => file.writeUInt8(1, 4)),
    "outside.elf": tinyElf({ code, address: 0x1000 }),
    "overlap.elf": tinyElf({ code, segments: 2 }),
    "far-signature.elf": tinyElf({ code, symbols: { begin_signature: 0x10, end_signature: 0x20 } }),
    "reversed-signature.elf": tinyElf({ code, symbols: { begin_signature: 0x80000010, end_signature: 0x80000000 } }),
    "code.elf": tinyElf({ code }),
    "data.elf": variant((file) => file.writeUInt32LE(6, 64 + 4)), // PF_R | PF_W
    "wfi.elf": tinyElf({ code: [0x10500073] }),
    Image: imageHeader(4096),
    "huge-Image": imageHeader(2 ** 30),
    "corrupt.cpio": `070701${"zz".repeat(60)}`,
    "short.cpio": "070701",
  };
  for (const [name, content] of Object.entries(files)) await writeFile(path(name), content);
  await (await open(path("secret"), "w", 0o000)).close();
});
afterAll(async () => {
  CliProcess.killAll();
  await rm(folder, { recursive: true });
});

const hello = guest("hello");
const isRoot = process.getuid?.() === 0;

interface Refusal {
  readonly what: string;
  /** A name behind `@` is that of a file in the test's folder. */
  readonly args: readonly string[];
  readonly message: string | RegExp;
}

const run = ["run", "--kernel", "@Image"];
const nat = [...run, "--net", "nat"];

const refusals: readonly Refusal[] = [
  { what: "an unknown command", args: ["fly"], message: "unknown command 'fly'" },
  { what: "an unknown option", args: ["--fly"], message: "unknown option '--fly'" },
  { what: "an unknown option of a command", args: ["elf", "--fly", hello], message: "unknown option '--fly'" },
  { what: "an option that is nearly right", args: ["elf", "--hart", "2", hello], message: /--hart'.*mean --harts/ },
  { what: "a missing file argument", args: ["elf"], message: "missing required argument 'file'" },
  { what: "one argument too many", args: ["elf", hello, hello], message: /too many arguments/ },
  {
    what: "a technique that is not there yet",
    args: [...run, "--technique", "hardware-assisted"],
    message: /^technique hardware-assisted: it needs harts with the hypervisor extension/,
  },
  {
    what: "a technique that nobody knows",
    args: [...run, "--technique", "magic"],
    message: "technique magic: give one of direct, trap-and-emulate, binary-translation, paravirtual",
  },
  {
    what: "a kernel that is made for another technique",
    args: ["run", "--kernel", guest("paravirtual")],
    message: /paravirtual\.elf cannot run under the technique direct: it is made for a monitor that it calls/,
  },
  {
    what: "a kernel that knows of no monitor",
    args: ["run", "--kernel", "@code.elf", "--technique", "paravirtual"],
    message: /^@code\.elf cannot run under the technique paravirtual: it does not know how to run deprivileged/,
  },
  {
    what: "a bare-metal program under a technique for kernels",
    args: ["elf", hello, "--technique", "paravirtual"],
    message: /^technique paravirtual runs guests that begin in S-mode/,
  },
  {
    what: "an initial RAM disk for an ELF file",
    args: ["run", "--kernel", guest("paravirtual"), "--initrd", "@text", "--technique", "paravirtual"],
    message: /^--initrd is for Linux, and .*paravirtual\.elf is an ELF file/,
  },
  { what: "a missing kernel", args: ["run"], message: /required option '--kernel <file>'/ },
  { what: "a file that is not there", args: ["elf", "@nothing"], message: "@nothing: no such file" },
  { what: "a folder", args: ["elf", "@"], message: /: is a directory, not a file/ },
  { what: "a device", args: ["elf", "/dev/zero"], message: "/dev/zero: neither a regular file nor a pipe" },
  { what: "what is no ELF file", args: ["elf", "@text"], message: "@text: not an ELF file" },
  { what: "an empty file", args: ["elf", "@empty"], message: /^@empty: / },
  { what: "a truncated ELF file", args: ["elf", "@truncated.elf"], message: /^@truncated.elf: truncated ELF/ },
  { what: "half an ELF header", args: ["elf", "@header.elf"], message: /^@header.elf: truncated ELF/ },
  { what: "another machine's ELF file", args: ["elf", "@x86.elf"], message: /^@x86.elf: .* x86-64, where .* RISC-V/ },
  { what: "a 32-bit ELF file", args: ["elf", "@32-bit.elf"], message: /^@32-bit.elf: .* 32-bit .* where 64-bit/ },
  { what: "a segment outside RAM", args: ["elf", "@outside.elf"], message: /^@outside.elf: .* lies outside RAM/ },
  { what: "overlapping segments", args: ["elf", "@overlap.elf"], message: /^@overlap.elf: overlapping segments/ },
  { what: "no ELF to disassemble", args: ["disasm", "@text"], message: "@text: not an ELF file" },
  { what: "a dump of no file", args: ["jit-dump", "@nothing", "0"], message: "@nothing: no such file" },
  { what: "a dump of no ELF", args: ["jit-dump", "@text", "0"], message: "@text: not an ELF file" },
  {
    what: "a dump at no address",
    args: ["jit-dump", "@code.elf", "here"],
    message: "here: neither an address nor a symbol of @code.elf; give for example 0x80000000",
  },
  {
    what: "a dump outside the program",
    args: ["jit-dump", "@code.elf", "0x90000000"],
    message: "0x90000000 is no code of @code.elf; give an address in 0x80000000..0x80000010",
  },
  {
    what: "a dump of data",
    args: ["jit-dump", "@data.elf", "0x80000000"],
    message: "@data.elf: it has no code",
  },
  {
    what: "a dump at an odd address",
    args: ["jit-dump", "@code.elf", "0x80000001"],
    message: "0x80000001 is no multiple of 2, where instructions begin; give one that is",
  },
  {
    what: "a dump within an instruction, for harts without C",
    args: ["jit-dump", "@code.elf", "0x80000002", "--isa", "rv64g"],
    message: "0x80000002 is no multiple of 4, where instructions begin; give one that is",
  },
  {
    what: "a dump of what is not translated",
    args: ["jit-dump", "@wfi.elf", "0x80000000"],
    message: "no region begins at 0x80000000: wfi is left to the interpreter; give another address",
  },
  {
    what: "a dump for harts that cannot be",
    args: ["jit-dump", "@code.elf", "0x80000000", "--isa", "rv32i"],
    message: /cannot be rv32i: it is a 64-bit machine/,
  },
  { what: "what is no kernel", args: ["run", "--kernel", "@text"], message: /^@text: not a RISC-V Linux Image/ },
  {
    what: "a kernel larger than memory",
    args: ["run", "--kernel", "@huge-Image"],
    message: /^@huge-Image does not fit memory: it takes 1 GiB .* give the machine more/,
  },
  {
    what: "what is no initrd",
    args: ["run", "--kernel", "@Image", "--initrd", "@text"],
    message: /^@text: not an initrd/,
  },
  {
    what: "a corrupt initrd header",
    args: ["run", "--kernel", "@Image", "--initrd", "@corrupt.cpio"],
    message: /^@corrupt.cpio: corrupt initrd: /,
  },
  {
    what: "half an initrd header",
    args: ["run", "--kernel", "@Image", "--initrd", "@short.cpio"],
    message: /^@short.cpio: corrupt initrd: /,
  },
  {
    what: "firmware that is not there",
    args: ["run", "--kernel", "@Image", "--firmware", "@nothing"],
    message: "@nothing: no such file",
  },
  { what: "no memory", args: ["elf", hello, "--memory", "0"], message: /memory of 0 bytes/ },
  { what: "more memory than Wasm has", args: ["elf", hello, "--memory", "4GiB"], message: /3 GiB.* fit a Wasm memory/ },
  { what: "memory of no size", args: ["elf", hello, "--memory", "lots"], message: /^--memory: "lots" is not a size/ },
  { what: "part of a page", args: ["elf", hello, "--memory", "1001"], message: /memory of 1001 bytes/ },
  { what: "harts that are no number", args: ["elf", hello, "--harts", "two"], message: /'--harts <n>' .*'two'/ },
  { what: "no harts", args: ["elf", hello, "--harts", "0"], message: /'--harts <n>' .*'0'/ },
  { what: "too many harts", args: ["elf", hello, "--harts", "33"], message: "33 harts: give 1 to 32" },
  {
    what: "a limit that is no number",
    args: ["elf", hello, "--max-instructions", "1e6"],
    message: /'--max-instructions <n>' .*'1e6'/,
  },
  { what: "an unknown engine", args: ["elf", hello, "--engine", "steam"], message: /'steam' .*interpreter, jit, auto/ },
  { what: "an unknown clock", args: ["elf", hello, "--clock", "sun"], message: /'sun' .*real, virtual/ },
  {
    what: "a vector program",
    args: ["elf", hello, "--isa", "rv64gcv_zvbb"],
    message: /cannot be rv64gcv_zvbb: it has no extension v/,
  },
  { what: "a 32-bit ISA", args: ["elf", hello, "--isa", "rv32i"], message: /cannot be rv32i: it is a 64-bit machine/ },
  {
    what: "a granularity that is none",
    args: ["elf", hello, "--signature-granularity", "3"],
    message: /'3' .*4, 8, 16/,
  },
  {
    what: "a signature outside RAM",
    args: ["elf", "@far-signature.elf", "--signature", "@out"],
    message: "@far-signature.elf: its signature, 0x10..0x20, lies outside RAM",
  },
  {
    what: "a signature that ends before it begins",
    args: ["elf", "@reversed-signature.elf", "--signature", "@out"],
    message: "@reversed-signature.elf: end_signature lies before begin_signature",
  },
  {
    what: "figures that cannot be written",
    args: ["elf", hello, "--stats", "@nowhere/stats.json"],
    message: "@nowhere/stats.json: cannot be written: there is no such folder",
  },
  {
    what: "a trace that cannot be written",
    args: ["elf", hello, "--jit-trace", "@nowhere/trace"],
    message: "@nowhere/trace: cannot be written: there is no such folder",
  },
  {
    what: "a trace of no translator",
    args: ["elf", hello, "--jit-trace", "@trace", "--engine", "interpreter"],
    message: "--jit-trace: the interpreter has no translator; give --engine jit",
  },
  {
    what: "a shared folder without a tag",
    args: [...run, "--share", "src"],
    message: /Write for example src:code, or src:code:ro; a tag has at most 36 bytes\./,
  },
  {
    what: "a shared folder that is not there",
    args: [...run, "--share", "nothing:tag"],
    message: "cannot share nothing: there is no such directory",
  },
  {
    what: "two shared folders with a tag",
    args: [...run, "--share", "/tmp:tag", "--share", "/tmp:tag:ro"],
    message: "--share /tmp:tag: another directory has this tag",
  },
  {
    what: "a disk that is not there",
    args: [...run, "--disk", "nothing"],
    message: /nothing as a disk: there is no such/,
  },
  {
    what: "a folder as a disk",
    args: [...run, "--disk", "/tmp"],
    message: "cannot use /tmp as a disk: it is a directory",
  },
  {
    what: "a disk that is to be used in a way that there is not",
    args: [...run, "--disk", "text,overlai"],
    message: "--disk text,overlai: there is no file text,overlai; behind a comma stand overlay, readonly and nvme",
  },
  { what: "an empty disk", args: [...run, "--disk", "@empty"], message: /^cannot use @empty as a disk: it is empty/ },
  {
    what: "a disk without a name",
    args: [...run, "--disk", ",overlay"],
    message: '--disk ",overlay": give a file or a URL',
  },
  {
    what: "a read-only overlay",
    args: [...run, "--disk", "text,readonly,overlay"],
    message: "--disk text,readonly,overlay: an overlay is there to be written, so not readonly",
  },
  {
    what: "two disks that write to one file",
    args: [...run, "--disk", "x,overlay", "--disk", "./x"],
    message: "--disk ./x: it is there twice; both must be overlay or readonly",
  },
  {
    what: "a disk at a URL where nobody answers",
    args: [...run, "--disk", "http://127.0.0.1:1/x"],
    message: /^cannot read http:\/\/127.0.0.1:1\/x: (connect ECONNREFUSED|bad port)/,
  },
  { what: "a network of no kind", args: [...run, "--net", "tap"], message: /'tap' .*nat, nat,e1000 or none/ },
  { what: "a switch without a name", args: [...run, "--net", "switch:"], message: /switch:lab,vlan=10/ },
  { what: "a VLAN that is none", args: [...run, "--net", "switch:lab,vlan=4095"], message: /switch:lab,vlan=10/ },
  {
    what: "ports on a switch without NAT",
    args: [...run, "--net", "switch:lab", "--forward", "8080:80"],
    message: "--forward needs --net nat",
  },
  { what: "ports without a network", args: [...run, "--forward", "8080:80"], message: "--forward needs --net nat" },
  { what: "rules without a network", args: [...run, "--deny", "*"], message: "--deny needs --net nat" },
  { what: "half a forward", args: [...nat, "--forward", "80"], message: /'80' .*8080:80/ },
  { what: "any port of the host's", args: [...nat, "--forward", "0:80"], message: /'0:80' .*8080:80/ },
  { what: "no port", args: [...nat, "--forward", "99999:80"], message: "99999 is no port of the host" },
  {
    what: "a port that is taken",
    args: [...nat, "--forward", "47813:80", "--forward", "47813:81"],
    message: /^cannot listen on 127.0.0.1:47813: .*address already in use/,
  },
  { what: "what is no rule", args: [...nat, "--allow", "300.1.1.1"], message: /^"300.1.1.1" is no network rule/ },
  { what: "a capture nowhere", args: [...nat, "--capture", "@nowhere/x"], message: /^@nowhere\/x: .*no such folder/ },
  { what: "half a vsock bridge", args: [...run, "--vsock", "1024"], message: /'1024' .*1024:\/run\/service.sock/ },
  { what: "no vsock port", args: [...run, "--vsock", "4294967295:/x"], message: /'4294967295:\/x' .*1024:/ },
  {
    what: "no time for a command",
    args: ["exec", "--timeout", "0", "--", "true"],
    message: /^--timeout: give .* above 0/,
  },
  {
    what: "an initrd without its kernel",
    args: ["exec", "--initrd", "x", "--", "x"],
    message: "--initrd needs --kernel",
  },
  {
    what: "figures of a command that cannot be written",
    args: ["exec", "--kernel", "@Image", "--stats", "@nowhere/s", "--", "true"],
    message: "@nowhere/s: cannot be written: there is no such folder",
  },
  { what: "an image of nothing", args: ["image", "build", "x"], message: "give --packages or --oci" },
  {
    what: "a package's name that apt would take for something else",
    args: ["image", "build", "x", "--packages", "python3,-o"],
    message: '"-o" is no name of a Debian package',
  },
  {
    what: "an image of what is no layout",
    args: ["image", "build", "x", "--oci", "@text"],
    message: /^@text: truncated: a part of a header/,
  },
  {
    what: "a share at a URL without a tag",
    args: [...run, "--share", "http://[::1]:80/x"],
    message: /Write for example src:code/,
  },
  {
    what: "a share at a URL that could be written",
    args: [...run, "--share", "http://[::1]:80/x:tag"],
    message: "--share http://[::1]:80/x:tag: a URL cannot be written; add :ro",
  },
  {
    what: "a root at a URL that could be written",
    args: [...run, "--root", "http://[::1]:80/x:rw"],
    message: /only one directory alone can be written/,
  },
  {
    what: "a root at a URL that nobody serves",
    args: [...run, "--root", "http://127.0.0.1:1/x"],
    message: /^cannot read http:\/\/127\.0\.0\.1:1\/x\/tree\.json: /,
  },
  {
    what: "an export of what is not there",
    args: ["image", "export", "@new", "nothing"],
    message: /^--root nothing: there is no such image/,
  },
  {
    what: "an export into a folder with something in it",
    args: ["image", "export", "@", "@"],
    message: /there is something else already; give a new folder$/,
  },
  {
    what: "an export to where nothing can be written",
    args: ["image", "export", "/dev/null/x", "@"],
    message: /\/dev\/null\/x: a part of its path is no directory$/,
  },
  { what: "a root that is not there", args: [...run, "--root", "x"], message: /^--root x: there is no such image/ },
  {
    what: "two roots",
    args: ["demo", "--root", "x", "--packages", "python3"],
    message: /'--packages <a,b>' cannot be used with option '--root </,
  },
  { what: "to pack into a folder in use", args: ["image", "pack", "@."], message: /there is something already/ },
  { what: "a mirror that is none", args: ["demo", "--mirror", "x"], message: /^"x" is no mirror/ },
];

describe.concurrent("hartvisor refuses, in one line and with status 2,", () => {
  it.each(refusals)("$what", async ({ args, message }) => {
    const placed = (text: string) => text.replace(/^@/, `${folder}/`);
    const { status, stdout, stderr } = await hartvisor(args.map(placed), {
      env: { XDG_CACHE_HOME: folder, HARTVISOR_OFFLINE: undefined },
    });
    expect(stderr).toMatch(/^hartvisor: [^\n]+\n$/);
    const said = stderr.slice("hartvisor: ".length, -1).replaceAll(`${folder}/`, "@");
    if (typeof message === "string") expect(said).toBe(message);
    else expect(said).toMatch(message);
    expect(stdout).toBe("");
    expect(status).toBe(2);
  });

  it.skipIf(isRoot)("a file that it may not read", async () => {
    const { status, stderr } = await hartvisor(["elf", path("secret")]);
    expect(stderr).toBe(`hartvisor: ${path("secret")}: permission denied\n`);
    expect(status).toBe(2);
  });
});

describe.concurrent("hartvisor", () => {
  it("prints its version", async () => {
    const { version } = JSON.parse(await readFile(new URL("../package.json", import.meta.url), "utf8"));
    expect(await hartvisor(["--version"])).toEqual({ status: 0, stdout: `${version}\n`, stderr: "" });
  });

  it("prints help, and exit statuses with it", async () => {
    const { status, stdout } = await hartvisor(["--help"]);
    for (const word of ["run", "elf", "demo", "disasm", "jit-dump", "Exit status:", "124"])
      expect(stdout).toContain(word);
    expect(status).toBe(0);
  });

  it.each([
    ["run", ["--kernel", "--initrd", "--append", "--firmware", "--memory", "--harts", "--engine", "--clock"]],
    ["elf", ["--isa", "--signature", "--signature-granularity", "--max-instructions", "--stats", "--memory"]],
    ["demo", ["--append", "--mirror", "--memory", "--harts", "HARTVISOR_OFFLINE"]],
    ["disasm", ["<file>"]],
    ["jit-dump", ["<file>", "<address>", "--isa", "--block"]],
    ["bench", ["[files...]", "--filter", "--technique", "--engine", "--clock", "--json", "--repetitions", "--list"]],
  ])("prints help for %s", async (command, words) => {
    const { status, stdout } = await hartvisor([command, "--help"]);
    for (const word of words) expect(stdout).toContain(word);
    expect(status).toBe(0);
  });

  it("says in one line what to install for bench where that is missing", async () => {
    // As if it were not there: module hooks that find everything but this package (Node's module.register).
    const hooks = `export const resolve = (name, context, next) => {
      if (name !== "@hartvisor/bench") return next(name, context);
      throw Object.assign(new Error("Cannot find package '@hartvisor/bench'"), { code: "ERR_MODULE_NOT_FOUND" });
    };`;
    const dataUrl = (text: string) => `data:text/javascript,${encodeURIComponent(text)}`;
    const preload = dataUrl(`import { register } from "node:module"; register(${JSON.stringify(dataUrl(hooks))});`);
    const elsewhere = ["-c", 'cd / && exec "$0" "$@"', process.execPath, "--import", preload, CLI, "bench", "--list"];
    const { status, stdout, stderr } = await new CliProcess("sh", elsewhere, { env: { NODE_PATH: undefined } }).ended;
    expect(stderr).toBe("hartvisor: bench is a package of its own: npm install @hartvisor/bench\n");
    expect([status, stdout]).toEqual([2, ""]);
  });

  it("shows how to use it when called without arguments, with status 2", async () => {
    const { status, stderr } = await hartvisor([]);
    expect(stderr).toContain("Usage: hartvisor");
    expect(status).toBe(2);
  });
});
