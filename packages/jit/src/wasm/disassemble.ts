/**
 * The text of functions that {@link ModuleBuilder} wrote, for people: the text
 * format's instructions (Core Specification, 6.5), a statement a line, without
 * the alignment of accesses. It knows the opcodes of `opcodes.ts`, no others.
 */
import { EMPTY, Op, Type, VECTOR, VectorOp } from "./opcodes.js";
import { ByteReader } from "./reader.js";

/** What only the writer of a function knows about it. */
export interface FunctionNames {
  /** Without the dollar sign. */
  readonly name: string;
  /** By number, parameters first. */
  readonly locals: readonly string[];
  /** Remarks by the position in the function's locals and code before which they stand. */
  readonly remarks: ReadonlyMap<number, readonly string[]>;
}

interface FunctionType {
  readonly parameters: readonly string[];
  readonly results: readonly string[];
}

const opcodeNames = new Map<number, keyof typeof Op>(
  Object.entries(Op).map(([name, code]) => [code, name as keyof typeof Op]),
);
const vectorNames = new Map<number, string>(Object.entries(VectorOp).map(([name, code]) => [code, name]));
const typeNames = new Map<number, string>(Object.entries(Type).map(([name, code]) => [code, name]));

/** What ends a line: instructions that leave nothing on the stack to go on with. */
const ENDS_STATEMENT = /^(?:unreachable|br|br_if|br_table|return|return_call_indirect|drop|local_set|.*_store\d*)$/;

const LOCALS_PER_LINE = 6;
const BRANCH_HINTS = "metadata.code.branch_hint";
const UNLIKELY = "(; unlikely ;)";

/** A module's imports and functions, as far as they say something. */
export class ModuleText {
  readonly #types: readonly FunctionType[] = [];
  /** Names of imported functions, in their order. */
  readonly imports: readonly string[] = [];
  readonly #functions: readonly number[] = [];
  readonly #bodies: readonly ByteReader[] = [];
  /** By index of the function: where branches stand that are seldom taken. */
  readonly #unlikely: ReadonlyMap<number, ReadonlySet<number>> = new Map();

  /** Throws `RangeError` for bytes that no {@link ModuleBuilder} wrote. */
  constructor(bytes: Uint8Array) {
    const reader = new ByteReader(bytes, 8);
    while (!reader.isAtEnd) {
      const id = reader.byte();
      const section = reader.part(reader.unsigned());
      if (id === 0 && section.name() === BRANCH_HINTS) this.#unlikely = unlikelyBranches(section);
      else if (id === 1) this.#types = section.many(() => functionType(section));
      else if (id === 2) this.imports = section.many(() => importedFunction(section)).filter((name) => name !== "");
      else if (id === 3) this.#functions = section.many(() => section.unsigned());
      else if (id === 10) this.#bodies = section.many(() => section.part(section.unsigned()));
    }
  }

  /** The text of a function of the module's own. */
  function(number: number, names: FunctionNames): string {
    const body = this.#bodies[number];
    const type = this.#types[this.#functions[number] ?? -1];
    if (body === undefined || type === undefined) throw new RangeError(`the module has no function ${number}`);
    const unlikely = this.#unlikely.get(this.imports.length + number) ?? new Set();
    return new FunctionText(this.imports, type, body, unlikely, names).text();
  }
}

/** Branch hints (Branch Hinting proposal), of which the writer knows one kind. */
function unlikelyBranches(section: ByteReader): Map<number, ReadonlySet<number>> {
  const hint = (): number => {
    const offset = section.unsigned();
    section.part(section.unsigned());
    return offset;
  };
  return new Map(section.many(() => [section.unsigned(), new Set(section.many(hint))] as const));
}

function functionType(section: ByteReader): FunctionType {
  section.byte();
  const types = () => section.many(() => typeName(section.byte()));
  return { parameters: types(), results: types() };
}

/** The name of an imported function; nothing for another import. */
function importedFunction(section: ByteReader): string {
  section.name();
  const name = section.name();
  const kind = section.byte();
  if (kind === 1) section.byte();
  if (kind === 0) {
    section.unsigned();
    return name;
  }
  const hasMaximum = (section.byte() & 1) !== 0;
  section.unsigned();
  if (hasMaximum) section.unsigned();
  return "";
}

function typeName(code: number): string {
  const name = typeNames.get(code);
  if (name === undefined) throw new RangeError(`0x${code.toString(16)} is no value type of this writer's`);
  return name;
}

class FunctionText {
  readonly #imports: readonly string[];
  readonly #type: FunctionType;
  readonly #body: ByteReader;
  /** Position where the function's locals and code begin. */
  readonly #begin: number;
  readonly #unlikely: ReadonlySet<number>;
  readonly #names: FunctionNames;
  readonly #lines: string[] = [];
  /** What the present line has so far. */
  #statement: string[] = [];
  /** Labels of the open constructs. */
  readonly #labels: string[] = [];
  #labelCount = 0;

  constructor(
    imports: readonly string[],
    type: FunctionType,
    body: ByteReader,
    unlikely: ReadonlySet<number>,
    names: FunctionNames,
  ) {
    this.#imports = imports;
    this.#type = type;
    this.#body = body;
    this.#begin = body.position;
    this.#unlikely = unlikely;
    this.#names = names;
  }

  text(): string {
    const body = this.#body;
    const { parameters, results } = this.#type;
    const groups = body.many(() => ({ count: body.unsigned(), type: typeName(body.byte()) }));
    const locals = groups.flatMap(({ count, type }) => Array<string>(count).fill(type));
    const declared = (kind: string, types: readonly string[], first: number) =>
      types.map((type, n) => `(${kind} ${this.#local(first + n)} ${type})`);
    const head = [...declared("param", parameters, 0), `(result ${results.join(" ")})`];
    this.#lines.push(`(func $${this.#names.name} ${head.join(" ")}`);
    const rest = declared("local", locals, parameters.length);
    while (rest.length > 0) this.#lines.push(`  ${rest.splice(0, LOCALS_PER_LINE).join(" ")}`);
    while (!body.isAtEnd) {
      const remarks = this.#names.remarks.get(body.position - this.#begin);
      if (remarks !== undefined) this.#remark(remarks);
      this.#instruction();
    }
    return this.#lines.join("\n");
  }

  #local(number: number): string {
    return `$${this.#names.locals[number] ?? number}`;
  }

  #label(depth: number): string {
    return this.#labels.at(-1 - depth) ?? "$out";
  }

  #remark(remarks: readonly string[]): void {
    this.#endStatement();
    this.#lines.push(...remarks.map((remark) => `${this.#indentation()};; ${remark}`));
  }

  #indentation(): string {
    return "  ".repeat(this.#labels.length + 1);
  }

  #endStatement(): void {
    if (this.#statement.length === 0) return;
    this.#lines.push(this.#indentation() + this.#statement.join(" "));
    this.#statement = [];
  }

  #instruction(): void {
    const isUnlikely = this.#unlikely.has(this.#body.position - this.#begin);
    const code = this.#body.byte();
    if (code === VECTOR) {
      this.#vector();
      return;
    }
    const name = opcodeNames.get(code);
    if (name === undefined) throw new RangeError(`0x${code.toString(16)} is no opcode of this writer's`);
    switch (name) {
      case "end":
        this.#end();
        return;
      case "else":
        this.#else();
        return;
      case "block":
      case "loop":
      case "if":
        this.#open(name, isUnlikely);
        return;
      default:
        if (isUnlikely) this.#statement.push(UNLIKELY);
        this.#statement.push([mnemonic(name), ...this.#immediates(name)].join(" "));
        if (ENDS_STATEMENT.test(name)) this.#endStatement();
    }
  }

  #vector(): void {
    const code = this.#body.unsigned();
    const name = vectorNames.get(code);
    if (name === undefined) throw new RangeError(`0xfd 0x${code.toString(16)} is no opcode of this writer's`);
    const lane = name.endsWith("_lane") ? ` ${this.#body.byte()}` : "";
    this.#statement.push(mnemonic(name) + lane);
  }

  #open(name: "block" | "loop" | "if", isUnlikely: boolean): void {
    const type = this.#body.byte();
    const label = `$${name[0]}${this.#labelCount++}`;
    if (isUnlikely) this.#statement.push(UNLIKELY);
    this.#statement.push(`${name} ${label}${type === EMPTY ? "" : ` (result ${typeName(type)})`}`);
    this.#endStatement();
    this.#labels.push(label);
  }

  #else(): void {
    this.#endStatement();
    const label = this.#labels.pop() ?? "";
    this.#lines.push(`${this.#indentation()}else`);
    this.#labels.push(label);
  }

  #end(): void {
    this.#endStatement();
    if (this.#labels.pop() === undefined) this.#lines.push(")");
    else this.#lines.push(`${this.#indentation()}end`);
  }

  #immediates(name: keyof typeof Op): string[] {
    const body = this.#body;
    switch (name) {
      case "br":
      case "br_if":
        return [this.#label(body.unsigned())];
      case "br_table": {
        const labels = body.many(() => this.#label(body.unsigned()));
        return [...labels, this.#label(body.unsigned())];
      }
      case "call": {
        const callee = body.unsigned();
        return [`$${this.#imports[callee] ?? callee}`];
      }
      case "call_indirect":
      case "return_call_indirect": {
        const type = body.unsigned();
        body.unsigned(); // the only table
        return [`(type ${type})`];
      }
      case "local_get":
      case "local_set":
      case "local_tee":
        return [this.#local(body.unsigned())];
      case "i32_const":
      case "i64_const":
        return [String(body.signed())];
      case "f32_const":
        return [String(body.float(4))];
      case "f64_const":
        return [String(body.float(8))];
      default: {
        if (!/_(?:load|store)/.test(name)) return [];
        body.unsigned(); // alignment
        const offset = body.unsigned();
        return offset === 0 ? [] : [`offset=${offset}`];
      }
    }
  }
}

/** `i64_load8_u` is `i64.load8_u`. */
function mnemonic(name: string): string {
  return name.replace(/^(i32|i64|f32|f64|f32x4|f64x2|local)_/, "$1.");
}
