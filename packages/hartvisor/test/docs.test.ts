/** The programs and commands of README.md and docs: programs are right by their types, commands have options that exist. */
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hartvisor } from "./cli-process.js";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
/** Where a user's program would be: beside packages that have hartvisor among their dependencies. */
const PROGRAMS = join(ROOT, "packages/bench");

/** Names that an earlier program of a page has imported. */
const IMPORTED: Readonly<Record<string, readonly string[]>> = {
  hartvisor: [
    ...["Balloon", "ConsolePort", "Machine", "MemoryTree", "NetworkSwitch", "Vsock", "e1000", "linux", "nvme"],
    ...["unionTree", "virtioConsole", "virtioFs"],
  ],
  "hartvisor/node": ["archiveTree", "fileDisk", "nat"],
  "hartvisor/debian": ["ROOT_TAG"],
  "node:fs/promises": ["readFile"],
};

/** What programs take for granted beside those: the text around them says where it comes from. */
const GIVEN = `declare global {
${Object.entries(IMPORTED)
  .flatMap(([module, names]) => names.map((name) => `  const ${name}: typeof import("${module}").${name};`))
  .join("\n")}
  const boot: import("hartvisor").Boot;
  const kernel: Uint8Array;
  const initrd: Uint8Array;
  const vm: import("hartvisor").Machine;
  const balloon: import("hartvisor").Balloon;
  const file: { write(bytes: Uint8Array): void };
  const terminal: WritableStream<Uint8Array>;
}
export {};
`;

interface Block {
  /** The page without directory or suffix. */
  readonly page: string;
  readonly language: string;
  readonly text: string;
}

async function blocksOf(path: string): Promise<Block[]> {
  const text = await readFile(join(ROOT, path), "utf8");
  const page = path.replace(/^docs\//, "").replace(/\.md$/, "");
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```/gm)].map(([, language = "", body = ""]) => ({
    ...{ page, language, text: body },
  }));
}

const pages = (await readdir(join(ROOT, "docs"))).filter((name) => name.endsWith(".md")).map((name) => `docs/${name}`);
const blocks = (await Promise.all(["README.md", ...pages].map(blocksOf))).flat();

describe("the programs of the documentation", () => {
  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(PROGRAMS, "docs-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it("are right by their types", async () => {
    const programs = blocks.filter(({ language }) => language === "js");
    expect(programs.length).toBeGreaterThan(20);
    await writeFile(join(folder, "given.d.ts"), GIVEN);
    for (const [n, { page, text }] of programs.entries()) {
      await writeFile(join(folder, `${page}-${n}.ts`), `${text}\nexport {};\n`);
    }
    const compilerOptions = { noUnusedLocals: false, noImplicitAny: false };
    const project = { extends: "../../../tsconfig.tests.json", compilerOptions, include: ["*.ts"] };
    await writeFile(join(folder, "tsconfig.json"), JSON.stringify(project));
    const compiler = join(ROOT, "node_modules/.bin/tsc");
    const { stdout } = await promisify(execFile)(compiler, ["-p", folder]).catch((error: { stdout: string }) => error);
    expect(stdout).toBe("");
  });
});

describe("the commands of the documentation", () => {
  const lines = blocks
    .filter(({ language }) => language === "console")
    .flatMap(({ page, text }) =>
      [...text.matchAll(/\$ .*?hartvisor (.*)$/gm)].map(([, line = ""]) => ({ page, line })),
    );

  it.each(["run", "exec", "demo", "elf", "disasm", "jit-dump", "bench", "image build", "image export", "image pack"])(
    "have only options that %s has",
    async (command) => {
      const { stdout: help } = await hartvisor([...command.split(" "), "--help"]);
      const known = new Set(help.match(/--[a-z-]+/g));
      const commands = lines.filter(({ line }) => line.startsWith(`${command} `));
      expect(commands.length).toBeGreaterThan(0);
      for (const { page, line } of commands) {
        const [own = ""] = line.replace(/ #.*| && .*/, "").split(" -- ");
        for (const option of own.match(/--[a-z-]+/g) ?? []) {
          expect(known.has(option), `${page}: hartvisor ${line}`).toBe(true);
        }
      }
    },
  );
});
