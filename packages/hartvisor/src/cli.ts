#!/usr/bin/env node
/** The `hartvisor` command. What it does is in `cli/`; this file only starts it. */
import { main } from "./cli/main.js";

await main(process.argv.slice(2));
