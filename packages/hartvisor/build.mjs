/** Generates what hartvisor's sources import but nobody writes: the embedded demo guest and agent, and the package's version. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(fileURLToPath(import.meta.url));
const generated = join(root, "src/generated");
mkdirSync(generated, { recursive: true });

// The committed ELF file, not an import: @hartvisor/bench stands above this package.
const guest = readFileSync(join(root, "../bench/guests/built/demo.elf")).toString("base64");
writeFileSync(
  join(generated, "demo-guest.ts"),
  `/** bench/guests/built/demo.elf, encoded in base64. */\nexport const demoGuestBase64 =\n  "${guest}";\n`,
);

const agent = readFileSync(join(root, "agent/agent.elf")).toString("base64");
writeFileSync(
  join(generated, "guest-agent.ts"),
  `/** agent/agent.elf, encoded in base64. */\nexport const guestAgentBase64 =\n  "${agent}";\n`,
);

const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
writeFileSync(
  join(generated, "version.ts"),
  `/** The version of the package. */\nexport const version = "${version}";\n`,
);
