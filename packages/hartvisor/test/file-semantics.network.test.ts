/**
 * What Debian's processes see of shared folders, compared with what they see of a tmpfs: contents by an exerciser with a
 * model in memory, everything else by a program that says a line for each thing it looks at.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { debianDemoImage } from "../src/host/node/debian-image.js";
import { hostDirectory } from "../src/host/node/files/host-directory.js";
import { archiveTree, linux, Machine, MemoryTree, unionTree, virtio9p, virtioFs } from "../src/index.js";
import { describeOnlineOnLinux } from "./describe-where.js";

const GUESTS = new URL("../../bench/guests/built/files/", import.meta.url);

/** Linux's own: FUSE has file handles for files without names, which the device has not. */
const NO_UNNAMED_FILES = ["link: a file without a name: EOPNOTSUPP"];

/** Linux's client of 9p: no flags of renameat2, whole seconds, none before 1970; setting nothing removes an attribute. */
const LINUX_9P = [
  "rename: without replacing, where nothing is: EINVAL",
  "rename: exchange file and directory: EINVAL",
  "rename: type of the file's old name: 100000",
  ...NO_UNNAMED_FILES,
  ...Array.from({ length: 5 }, () => "times:   and nanoseconds: ok"),
  "times: atime before 1970: ok",
  "times: mtime before 1970: ok",
  "times:   and nanoseconds: ok",
];
const NO_EMPTY_ATTRIBUTES = [
  "attributes: empty: ENODATA",
  "attributes: empty, read: ENODATA",
  "attributes: names listed: 2",
];

/** With writing kept in the guest, Linux decides when a file was changed. */
const WRITTEN_BACK = [...NO_UNNAMED_FILES, "times: truncating to the same size changes mtime: no"];

/** What a directory of the host does not keep (docs/files.md). */
const NO_EXCHANGE = ["rename: exchange file and directory: EINVAL", "rename: type of the file's old name: 100000"];
const NO_SET_ID = [
  "modes: chmod: EPERM",
  "modes: after chmod: 100644",
  "modes: after chown: 100644",
  "modes: after chown, where the group may not execute: 100644",
  "modes: set-ids of one's own: 100644",
  "modes: after writing: 100644",
  "modes: after truncating: 100644",
  "modes: after chgrp: 100644",
];
const NO_ATTRIBUTES_OR_SPECIAL_FILES = [
  "attributes: set: EOPNOTSUPP",
  "special: a FIFO: EPERM",
  "special: a device: EPERM",
  "special: a socket's node: EPERM",
];
const NO_MEETING = ["meeting: a FIFO: EPERM", "meeting: a socket: EPERM"];
const HOST = [...NO_SET_ID, ...NO_ATTRIBUTES_OR_SPECIAL_FILES, ...NO_MEETING];

/** Nothing is written to contents in these ways; the exerciser does it otherwise, and ends with the same file. */
const HOST_CONTENT = "; no allocate; no keep size; no punch; no zero";
const LINUX_9P_CONTENT = `; no shared maps${HOST_CONTENT}`;

const FOLDERS = [
  ["a host directory by virtio-fs", "host-fs", [...NO_EXCHANGE, ...NO_UNNAMED_FILES, ...HOST], HOST_CONTENT],
  ["a tree in memory by virtio-fs", "memory-fs", NO_UNNAMED_FILES, ""],
  ["a union by virtio-fs that the guest has to itself", "union-fs", WRITTEN_BACK, ""],
  ["a host directory by 9p", "host-9p", [...LINUX_9P, ...HOST], LINUX_9P_CONTENT],
  ["a tree in memory by 9p", "memory-9p", [...LINUX_9P, ...NO_EMPTY_ATTRIBUTES], LINUX_9P_CONTENT],
  ["a union by 9p", "union-9p", [...LINUX_9P, ...NO_EMPTY_ATTRIBUTES], LINUX_9P_CONTENT],
] as const;

/** Said of inodes of the host, which may use a number again at once. */
const HOST_INODE = /^unlink: another of its name is another: /;

describeOnlineOnLinux("in Debian, what processes do in", () => {
  let folder: string;
  let vm: Machine;
  let onTmpfs: readonly string[];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "hartvisor-semantics-"));
    const image = await debianDemoImage();
    const lower = [await archiveTree(image.initrd)];
    const host = hostDirectory(folder);
    vm = await Machine.create({
      boot: linux({ ...image, cmdline: "console=ttyS0 quiet" }),
      devices: [
        virtioFs({ tree: host, tag: "host-fs" }),
        virtioFs({ tree: new MemoryTree(), tag: "memory-fs", cache: "auto" }),
        virtioFs({ tree: unionTree({ lower, upper: new MemoryTree() }), tag: "union-fs", cache: "always" }),
        virtio9p({ tree: host, tag: "host-9p" }),
        virtio9p({ tree: new MemoryTree(), tag: "memory-9p" }),
        virtio9p({ tree: unionTree({ lower, upper: new MemoryTree() }), tag: "union-9p" }),
      ],
      limits: { wallTimeMs: 900_000 },
      onDeviceFailure: (device, reason) => {
        throw new Error(`${device}: ${reason}`);
      },
    });
    void vm.console.output.cancel();
    vm.start();
    for (const name of ["content", "semantics"]) {
      await vm.writeFile(`/tmp/${name}`, await readFile(new URL(`${name}.elf`, GUESTS)));
    }
    await run("chmod 755 /tmp/content /tmp/semantics; mkdir /mnt/tmpfs; mount -t tmpfs tmpfs /mnt/tmpfs");
    // Linux takes its time from the RTC to half a second. Where it writes back, times come from both clocks: its own is not behind.
    await run(`date -s @${Math.ceil(Date.now() / 1000) + 1}`);
    onTmpfs = await semanticsIn("tmpfs");
  });

  afterAll(async () => {
    await vm?.destroy();
    await rm(folder, { recursive: true, force: true });
  });

  async function run(script: string): Promise<string> {
    const { stdoutText, stderrText, exitCode } = await vm.exec(["sh", "-ec", script], { timeoutMs: 400_000 });
    expect([exitCode, stderrText], stdoutText).toEqual([0, ""]);
    return stdoutText;
  }

  async function semanticsIn(tag: string): Promise<readonly string[]> {
    const where = `/mnt/${tag}/semantics-by-${tag}`;
    return (await run(`mkdir ${where}; /tmp/semantics ${where}; rm -r ${where}`)).trimEnd().split("\n");
  }

  it.each(FOLDERS)("%s is what they do in a tmpfs, but for what is documented", async (_, tag, deviations) => {
    const said = await semanticsIn(tag);
    expect(said.at(-1)).toBe(onTmpfs.at(-1));
    const expected = tally(onTmpfs);
    const others = [...tally(said)].filter(([what, result]) => expected.get(what) !== result);
    const differences = others.map(([what, result]) => `${what.replace(/#\d+$/, "")}: ${result}`);
    expect(differences.filter((line) => !HOST_INODE.test(line))).toEqual(deviations);
  });

  it.each(FOLDERS)("%s to contents shows in them, whatever it is", async (_, tag, _deviations, refused) => {
    for (const seed of [1, 2]) {
      const content = (where: string) => run(`/tmp/content /mnt/${where}/content-by-${tag} ${seed} 500`);
      const [expected] = (await content("tmpfs")).split(";");
      expect(await content(tag)).toBe(`${expected?.trimEnd()}${refused}\n`);
    }
  });
});

/** Results by what they are of; of things that are looked at several times, with the number of the time behind them. */
function tally(lines: readonly string[]): Map<string, string> {
  const results = new Map<string, string>();
  for (const line of lines) {
    const at = line.lastIndexOf(": ");
    const what = line.slice(0, at);
    let times = 1;
    while (results.has(`${what}#${times}`)) times++;
    results.set(`${what}#${times}`, line.slice(at + 2));
  }
  return results;
}
