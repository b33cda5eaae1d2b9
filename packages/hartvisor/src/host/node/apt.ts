/**
 * Gets packages from a Debian archive with the machine's own apt, under a configuration
 * that touches nothing of the machine: own sources, lists and cache in one folder. apt
 * verifies every byte against Debian's archive keys; nothing here can turn that off. The
 * machine's settings for proxies and for reaching its mirror stay in force.
 */
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { HartvisorError } from "@hartvisor/core";
import { findDebianMirror, parseDeb822Sources, parseSourcesList, stanzaFields } from "./apt-sources.js";
import { type RunResult, run } from "./child-process.js";

/** Which archive, and where its files may go. */
export interface AptOptions {
  /** A folder for this apt alone; it is filled, not emptied. */
  readonly directory: string;
  /** Address of the archive, as in a sources.list. */
  readonly mirror: string;
  readonly suite: string;
  readonly architecture: string;
  readonly signal?: AbortSignal | undefined;
}

/** A package as the archive's signed index describes it. */
export interface AptPackage {
  readonly name: string;
  readonly version: string;
  /** Its `Depends` field. */
  readonly depends: string;
  /** Bytes to download. */
  readonly downloadSize: number;
}

/**
 * The address of a Debian mirror: the one given, else that of the environment's `HARTVISOR_DEBIAN_MIRROR`, else
 * the one in the machine's apt sources.
 *
 * @throws HartvisorError `invalid-argument` for an address that is none; `download-failed` when there is none to find
 */
export async function debianMirror(given = process.env.HARTVISOR_DEBIAN_MIRROR, etc = "/etc/apt"): Promise<string> {
  if (given !== undefined && given !== "") {
    if (/^[a-z][a-z0-9+.-]*:[^\s"[\]]+$/i.test(given)) return given;
    throw new HartvisorError("invalid-argument", `"${given}" is no mirror; write for example "https://HOST/debian"`);
  }
  const parts = (await readdir(join(etc, "sources.list.d")).catch(() => [])).sort();
  const files = ["sources.list", ...parts.map((name) => join("sources.list.d", name))];
  const sources = await Promise.all(
    files.map(async (name) => {
      const text = await readFile(join(etc, name), "utf8").catch(() => "");
      return name.endsWith(".sources")
        ? parseDeb822Sources(text)
        : name.endsWith(".list")
          ? parseSourcesList(text)
          : [];
    }),
  );
  const mirror = findDebianMirror(sources.flat());
  if (mirror !== undefined) return mirror;
  throw new HartvisorError(
    "download-failed",
    `no Debian mirror in the apt sources of this machine (${etc}); name one with HARTVISOR_DEBIAN_MIRROR`,
  );
}

/** One apt with a configuration of its own. */
export class Apt {
  readonly #options: AptOptions;
  readonly #configFile: string;

  private constructor(options: AptOptions, configFile: string) {
    this.#options = options;
    this.#configFile = configFile;
  }

  /**
   * Writes the configuration.
   *
   * @throws HartvisorError `download-failed` when Debian's archive keys are not installed
   */
  static async create(options: AptOptions): Promise<Apt> {
    const { directory, mirror, suite, architecture } = options;
    const keyrings = await debianKeyrings();
    await mkdir(join(directory, "lists/partial"), { recursive: true });
    await mkdir(join(directory, "archives/partial"), { recursive: true });
    await writeFile(join(directory, "status"), "");
    const sourceOptions = `arch=${architecture} signed-by=${keyrings.join(",")} targets=Packages`;
    await writeFile(join(directory, "sources.list"), `deb [${sourceOptions}] ${mirror} ${suite} main\n`);
    const configFile = join(directory, "apt.conf");
    await writeFile(configFile, configuration(directory, architecture));
    return new Apt(options, configFile);
  }

  /** Fetches the archive's index and verifies its signature. `onProgress` is given a fraction, 0 to 1. */
  async update(onProgress?: (fraction: number) => void): Promise<void> {
    await this.#apt("apt-get", ["--quiet", "update"], onProgress);
  }

  /** Describes a package of the archive, in the version that would be downloaded. Call {@link update} before. */
  async show(name: string): Promise<AptPackage> {
    const { stdout } = await this.#apt("apt-cache", ["show", "--no-all-versions", name]);
    const fields = stanzaFields(stdout);
    const version = fields.get("version");
    if (version === undefined) throw this.#failure(`it has no package ${name}`, stdout);
    return {
      name,
      version,
      depends: fields.get("depends") ?? "",
      downloadSize: Number(fields.get("size") ?? 0),
    };
  }

  /**
   * Downloads packages and verifies their checksums.
   *
   * @returns the path of each .deb file, in the order of the packages
   */
  async download(packages: readonly AptPackage[], onProgress?: (fraction: number) => void): Promise<string[]> {
    const names = packages.map(({ name, version }) => `${name}=${version}`);
    await this.#apt("apt-get", ["--quiet", "download", ...names], onProgress);
    const files = await readdir(this.#options.directory);
    return packages.map(({ name }) => {
      const file = files.find((candidate) => candidate.startsWith(`${name}_`) && candidate.endsWith(".deb"));
      if (file === undefined) throw this.#failure(`apt-get left no ${name}_*.deb`, files.join(" "));
      return join(this.#options.directory, file);
    });
  }

  /**
   * Downloads packages with all that they depend on, libc included, recommendations not.
   *
   * @returns the path of each .deb file
   */
  async downloadClosure(names: readonly string[], onProgress?: (fraction: number) => void): Promise<string[]> {
    // The status file of this apt is empty, so that to install a package would take everything it needs.
    const args = ["--quiet", "--yes", "--no-install-recommends", "--download-only", "install", ...names];
    const { stdout } = await this.#apt("apt-get", ["--option", "Debug::NoLocking=true", ...args], onProgress);
    const archives = join(this.#options.directory, "archives");
    const files = (await readdir(archives)).filter((name) => name.endsWith(".deb"));
    if (files.length === 0) throw this.#failure("apt-get downloaded nothing", stdout);
    return files.sort().map((name) => join(archives, name));
  }

  async #apt(command: string, args: readonly string[], onProgress?: (fraction: number) => void): Promise<RunResult> {
    const { directory, signal } = this.#options;
    const statusArgs = onProgress === undefined ? [] : ["--option", "APT::Status-Fd=3"];
    // "dlstatus:1:23.4:Retrieving file 1 of 2": the third field is a percentage, which falls when apt learns of more.
    let done = 0;
    const onStatusLine = (line: string) => {
      done = Math.min(1, Math.max(done, Number(/^dlstatus:[^:]*:([\d.]+):/.exec(line)?.[1] ?? 0) / 100));
      onProgress?.(done);
    };
    let result: RunResult;
    try {
      // The configuration given by --config-file is read last, and so outweighs the machine's.
      result = await run(command, ["--config-file", this.#configFile, ...statusArgs, ...args], {
        cwd: directory,
        signal,
        ...(onProgress !== undefined && { onStatusLine }),
      });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      throw new HartvisorError("download-failed", `cannot download Debian: ${command} is not installed here`, {
        cause: error,
      });
    }
    if (result.exitCode !== 0) throw this.#failure(diagnosis(result), result.stderr);
    return result;
  }

  #failure(problem: string, cause: string): HartvisorError {
    const message = `cannot download Debian ${this.#options.suite} from ${this.#options.mirror}: ${problem}`;
    return new HartvisorError("download-failed", withoutPasswords(message), {
      cause: new Error(withoutPasswords(cause.trim())),
    });
  }
}

/** What this apt does otherwise than the machine's. */
function configuration(directory: string, architecture: string): string {
  if (/["\n]/.test(directory)) {
    throw new HartvisorError("invalid-argument", `apt cannot work in a folder with a quotation mark: ${directory}`);
  }
  // Only root could switch to apt's sandbox user, and that user cannot reach a folder in root's home.
  const sandbox = process.getuid?.() === 0 ? 'APT::Sandbox::User "root";' : "";
  return `
// The hooks of the machine would change the machine.
#clear APT::Update;
#clear APT::Architectures;
#clear APT::Default-Release;
Dir::Etc::sourcelist "${directory}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "${directory}";
Dir::State::lists "${directory}/lists";
Dir::State::status "${directory}/status";
Dir::Cache "${directory}";
Dir::Cache::archives "${directory}/archives";
APT::Architecture "${architecture}";
APT::Architectures { "${architecture}"; };
APT::Update::Error-Mode "any";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
Acquire::Languages "none";
Acquire::Retries "2";
${sandbox}
`;
}

/** Debian's archive keys: the keyring of the package debian-archive-keyring, or its keys where apt trusts them. */
async function debianKeyrings(): Promise<string[]> {
  const shared = "/usr/share/keyrings";
  const keyring = (await readdir(shared).catch(() => [])).find((name) =>
    /^debian-archive-keyring\.(gpg|pgp)$/.test(name),
  );
  if (keyring !== undefined) return [join(shared, keyring)];
  const trusted = "/etc/apt/trusted.gpg.d";
  const keys = (await readdir(trusted).catch(() => [])).filter((name) => /^debian-archive-.*\.(asc|gpg)$/.test(name));
  if (keys.length > 0) return keys.sort().map((name) => join(trusted, name));
  throw new HartvisorError(
    "download-failed",
    "cannot verify Debian's signatures: install the package debian-archive-keyring",
  );
}

/** One line on what went wrong, from what apt says. */
function diagnosis({ exitCode, stderr, stdout }: RunResult): string {
  const text = `${stderr}\n${stdout}`;
  const complaint = /^[EW]: (.*)$/m.exec(stderr)?.[1]?.replace(/\s+/g, " ") ?? `apt ended with exit status ${exitCode}`;
  if (/No space left on device|enough free space/.test(text)) return "the disk is full";
  if (/NO_PUBKEY|BADSIG|EXPKEYSIG|is not signed|couldn't be verified|not valid \(|NODATA/.test(text)) {
    return `it is not signed by Debian's archive keys (${complaint})`;
  }
  return complaint;
}

function withoutPasswords(text: string): string {
  return text.replace(/\/\/[^/@\s]+@/g, "//");
}
