/** Writes everything that is generated from the ISA, CSR and layout tables: `tsx isa/generate/main.ts`. */
import { mkdirSync, writeFileSync } from "node:fs";
import { generateCsrs } from "./csrs.js";
import { generateDecode } from "./decode.js";
import { generateInterpreter } from "./interpreter.js";
import { generateLayout } from "./layout.js";
import { generateOperations } from "./operations.js";
import { generatePrivileged } from "./privileged.js";

const directory = new URL("../../assembly/generated/", import.meta.url);
mkdirSync(directory, { recursive: true });
for (const [file, text] of Object.entries({
  "layout.ts": generateLayout(),
  "operations.ts": generateOperations(),
  "decode.ts": generateDecode(),
  "csrs.ts": generateCsrs(),
  "execute.ts": generateInterpreter(),
  "privileged.ts": generatePrivileged(),
})) {
  writeFileSync(
    new URL(file, directory),
    `// Generated from packages/core/isa; see packages/core/isa/generate.\n${text}\n`,
  );
}
