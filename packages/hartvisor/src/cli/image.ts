/** `hartvisor image`: builds root file systems, lists and forgets them, writes them for web servers; packs Linux for npm. */
import { HartvisorError } from "@hartvisor/core";
import type { Command } from "commander";
import { ociImage } from "../host/node/images/oci-import.js";
import { packDemoImage } from "../host/node/images/pack.js";
import { ImageStore } from "../host/node/images/store.js";
import { exportTree } from "../host/node/images/tree-export.js";
import { refusalToWrite } from "./files.js";
import type { CommandContext } from "./main.js";
import { ProgressLine } from "./progress.js";
import { buildImage, openLayers, parsePackages } from "./root.js";

interface BuildFlags {
  readonly packages?: readonly string[];
  readonly oci?: string;
  readonly reference?: string;
  readonly mirror?: string;
  readonly documentation?: boolean;
  readonly refresh?: boolean;
}

const HELP = `
Images are kept in the cache directory ($XDG_CACHE_HOME, or ~/.cache), each layer once. --root NAME boots into one.

Example:
  hartvisor image build tools --packages python3,sqlite3
  skopeo copy --override-arch riscv64 docker://alpine oci:alpine && hartvisor image build alpine --oci alpine
  hartvisor demo --root tools
  hartvisor image export public/tools tools     # then, where public is served: --root https://example.org/tools`;

/** Adds the command to the program. */
export function addImageCommand(program: Command, context: CommandContext): void {
  const image = program
    .command("image")
    .description("build, list and export root file systems; pack Linux for npm")
    .helpCommand(false)
    .addHelpText("after", HELP);
  image
    .command("build")
    .description("build an image of Debian's packages and what they need, or take one from an OCI image layout")
    .argument("<name>", "what to call it")
    .option("--packages <a,b>", "names of Debian's packages", parsePackages)
    .option("--oci <path>", "an OCI image layout: a directory, or a tar as docker save writes it")
    .option("--reference <name>", "the image to take, where the layout has several")
    .option("--documentation", "with manual pages, translations and the like")
    .option("--refresh", "with the newest packages, even if there is such an image already")
    .option("--mirror <url>", "a Debian mirror; by default the one in the machine's apt sources")
    .action((name: string, flags: BuildFlags) => build(name, flags, context));
  image.command("list").description("list images").action(list);
  image
    .command("prune")
    .description("forget images, and delete what no image needs any more")
    .argument("[name...]", "images to forget")
    .action(prune);
  image
    .command("export")
    .description("write a root as files that any web server can serve; --root and --share take its URL")
    .argument("<directory>", "a new folder for it, or one with an earlier version")
    .argument("<root...>", "an image, a directory or an archive; again for layers above it")
    .action((directory: string, roots: readonly string[]) => exportRoot(directory, roots, context));
  image
    .command("pack")
    .description("make an npm package of Debian's kernel and busybox; where it is installed, demo needs no apt")
    .argument("<directory>", "a new folder for it")
    .option("--mirror <url>", "a Debian mirror; by default the one in the machine's apt sources")
    .action((directory: string, flags: { readonly mirror?: string }) => pack(directory, flags, context));
}

async function build(name: string, flags: BuildFlags, { interruptions }: CommandContext): Promise<void> {
  const { signal } = interruptions;
  const { packages, oci, reference, ...rest } = flags;
  if ((packages === undefined) === (oci === undefined)) {
    throw new HartvisorError("invalid-argument", "give --packages or --oci");
  }
  const image =
    oci === undefined
      ? await buildImage({ ...rest, packages: packages ?? [], name, signal })
      : await ociImage(oci, { name, signal, ...(reference !== undefined && { reference }) });
  console.log(`${name}  ${image.digest}  ${mebibytes(image.layers.reduce((sum, { size }) => sum + size, 0))}`);
}

async function list(): Promise<void> {
  const images = (await new ImageStore().list()).sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const { name, digest, layers } of images) {
    const size = layers.reduce((sum, layer) => sum + layer.size, 0);
    console.log(`${name}  ${digest.slice(0, "sha256:".length + 12)}  ${layers.length} layers  ${mebibytes(size)}`);
  }
}

async function prune(names: readonly string[]): Promise<void> {
  const store = new ImageStore();
  for (const name of names) if (!(await store.remove(name))) console.error(`hartvisor: there is no image ${name}`);
  console.log(`${mebibytes(await store.prune())} freed`);
}

async function exportRoot(
  directory: string,
  roots: readonly string[],
  { interruptions }: CommandContext,
): Promise<void> {
  const { tree, close } = await openLayers(roots);
  try {
    const { entries, bytes } = await exportTree(tree, directory, { signal: interruptions.signal });
    console.log(`${directory}  ${entries} entries  ${mebibytes(bytes)}`);
  } catch (error) {
    throw (error as NodeJS.ErrnoException).syscall === undefined ? error : refusalToWrite(directory, error);
  } finally {
    await close();
  }
}

async function pack(
  directory: string,
  { mirror }: { readonly mirror?: string },
  { interruptions }: CommandContext,
): Promise<void> {
  const progress = new ProgressLine();
  try {
    await packDemoImage(directory, {
      ...(mirror !== undefined && { mirror }),
      ...{ signal: interruptions.signal, progress: (event) => progress.show(event) },
    });
  } finally {
    progress.end();
  }
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
