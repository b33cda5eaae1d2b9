// Builds agent.elf, the guest's side of vm.exec, or (--check) builds it elsewhere and compares. The ELF file is committed, so that
// nobody needs a cross compiler; it carries no paths, dates or build ids, so that a rebuild with the same compiler gives the same
// bytes. Plain Node, no dependencies: `node packages/hartvisor/agent/build.mjs [--check]`.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const target = "riscv64-linux-gnu-";
const options = [
  ...["-march=rv64imac", "-mabi=lp64", "-std=gnu11", "-Os", "-Wall", "-Wextra", "-Werror"],
  ...["-ffreestanding", "-fno-pic", "-fno-stack-protector", "-fno-asynchronous-unwind-tables"],
  ...["-fno-tree-loop-distribute-patterns", `-ffile-prefix-map=${here}=`],
  ...[
    "-static",
    "-no-pie",
    "-nostdlib",
    "-nostartfiles",
    "-Wl,--build-id=none",
    "-Wl,-z,norelro",
    "-Wl,-z,separate-code",
  ],
];

function build(output) {
  execFileSync(`${target}gcc`, [...options, "start.S", "agent.c", "-o", output], { cwd: here, stdio: "inherit" });
  execFileSync(`${target}strip`, ["--strip-all", "--remove-section=.comment", output], { stdio: "inherit" });
}

const committed = join(here, "agent.elf");
if (process.argv.includes("--check")) {
  const folder = mkdtempSync(join(tmpdir(), "hartvisor-agent-"));
  try {
    build(join(folder, "agent.elf"));
    if (!readFileSync(committed).equals(readFileSync(join(folder, "agent.elf")))) {
      console.error("packages/hartvisor/agent/agent.elf is not what its sources give");
      process.exitCode = 1;
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
} else {
  build(committed);
}
