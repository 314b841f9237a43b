import { messageOf } from "../../error.ts";
import { runError, TemplateError } from "./error.ts";
import { callFunction } from "./functions.ts";
import type { Node, Operand, Pipeline, Template } from "./parse.ts";
import { formatNumber, formatValue, isObject, isPlain, isTrue, typeName } from "./value.ts";

/** More output than this is a mistake in the template. */
const MAX_OUTPUT = 64 * 1024 * 1024;

/** Fields that hold maps with keys of the user's: one that is not there is no mistake there. */
const MAP_FIELDS: ReadonlySet<string> = new Set([
  "Labels",
  "Annotations",
  "Attributes",
  "Data",
  "ExposedPorts",
  "LogOpts",
  "Networks",
  "Options",
  "PortBindings",
  "Ports",
  "Runtimes",
  "Storage",
  "Sysctls",
  "Tmpfs",
  "Volumes",
]);

interface Run {
  readonly source: string;
  readonly headings: boolean;
  /** Objects found under one of MAP_FIELDS. */
  readonly maps: WeakSet<object>;
  readonly out: string[];
  outLength: number;
}

/** Variables, innermost scope last. */
type Scope = Map<string, unknown>;

/**
 * The text a template makes of some data (what JSON can hold, or a listing's record). With `headings` the data are
 * column headings and functions that shape values leave them alone. Throws TemplateError.
 */
export function runTemplate(
  template: Template,
  data: unknown,
  options: { readonly headings?: boolean } = {},
): string {
  const run: Run = {
    source: template.source,
    headings: options.headings === true,
    maps: new WeakSet(),
    out: [],
    outLength: 0,
  };
  runNodes(run, template.nodes, data, [new Map([["$", data]])]);
  return run.out.join("");
}

type Flow = "break" | "continue" | undefined;

function runNodes(run: Run, nodes: readonly Node[], dot: unknown, scopes: readonly Scope[]): Flow {
  for (const node of nodes) {
    if (node.kind === "text") print(run, node.text);
    else if (node.kind === "print") {
      const value = evaluate(run, node.pipeline, dot, scopes);
      if (node.pipeline.variables.length === 0) print(run, formatValue(value));
    } else if ("body" in node) {
      const flow =
        node.kind === "range" ? runRange(run, node, dot, scopes) : runChoice(run, node, dot, scopes);
      if (flow !== undefined) return flow;
    } else return node.kind;
  }
  return undefined;
}

type Block = Extract<Node, { readonly kind: "if" | "range" | "with" }>;

function runChoice(run: Run, node: Block, dot: unknown, scopes: readonly Scope[]): Flow {
  const inner = [...scopes, new Map<string, unknown>()];
  const value = evaluate(run, node.pipeline, dot, inner);
  if (!isTrue(value)) return runNodes(run, node.otherwise, dot, inner);
  return runNodes(run, node.body, node.kind === "with" ? value : dot, inner);
}

function runRange(run: Run, node: Block, dot: unknown, scopes: readonly Scope[]): Flow {
  const inner: Scope = new Map();
  // The range's own variables are set per element, not to the whole.
  const value = evaluate(run, { ...node.pipeline, variables: [] }, dot, [...scopes, inner]);
  const entries = entriesOf(run, node.pipeline, value);
  if (entries.length === 0) return runNodes(run, node.otherwise, dot, [...scopes, inner]);
  const { variables } = node.pipeline;
  for (const [key, element] of entries) {
    const scope: Scope = new Map();
    const values = variables.length === 2 ? [key, element] : [element];
    variables.forEach((name, i) => {
      assign([...scopes, scope], name, values[i], node.pipeline.declares);
    });
    if (runNodes(run, node.body, element, [...scopes, scope]) === "break") break;
  }
  return undefined;
}

function entriesOf(run: Run, pipeline: Pipeline, value: unknown): readonly (readonly [unknown, unknown])[] {
  if (Array.isArray(value)) return value.map((element: unknown, i) => [i, element]);
  if (isObject(value))
    return Object.keys(value)
      .sort()
      .map((key) => [key, value[key]]);
  if (value === null || value === undefined || value === "") return [];
  if (run.headings) return [[0, value]];
  const operand = pipeline.commands[0]?.[0];
  throw runError(
    run.source,
    operand?.at ?? 0,
    operand?.text ?? "",
    `range can't iterate over ${formatValue(value)}`,
  );
}

function evaluate(run: Run, pipeline: Pipeline, dot: unknown, scopes: readonly Scope[]): unknown {
  let value: unknown;
  pipeline.commands.forEach((command, stage) => {
    value = evaluateCommand(run, command, dot, scopes, stage === 0 ? [] : [value]);
  });
  for (const name of pipeline.variables) assign(scopes, name, value, pipeline.declares);
  return value;
}

/** `piped`: the value from the stage before, as last argument. */
function evaluateCommand(
  run: Run,
  [head, ...rest]: readonly Operand[],
  dot: unknown,
  scopes: readonly Scope[],
  piped: readonly unknown[],
): unknown {
  if (head === undefined) return undefined;
  if (head.base.kind === "function") {
    const name = head.base.name;
    if ((name === "and" || name === "or") && !run.headings)
      return shortCircuit(run, name, rest, dot, scopes, piped, head);
    const args = [...rest.map((operand) => evaluateOperand(run, operand, dot, scopes, [])), ...piped];
    return readFields(run, callAt(run, head, name, args), head, [], dot);
  }
  const args = [...rest.map((operand) => evaluateOperand(run, operand, dot, scopes, [])), ...piped];
  return evaluateOperand(run, head, dot, scopes, args);
}

/** Go evaluates the arguments of `and` and `or` only as far as they decide. */
function shortCircuit(
  run: Run,
  name: "and" | "or",
  operands: readonly Operand[],
  dot: unknown,
  scopes: readonly Scope[],
  piped: readonly unknown[],
  head: Operand,
): unknown {
  let value: unknown = piped[0];
  if (operands.length + piped.length === 0) return callAt(run, head, name, []);
  for (const operand of operands) {
    value = evaluateOperand(run, operand, dot, scopes, []);
    if (isTrue(value) === (name === "or")) return value;
  }
  return piped.length > 0 ? piped[0] : value;
}

function callAt(run: Run, head: Operand, name: string, args: readonly unknown[]): unknown {
  try {
    return callFunction(name, args, run.headings);
  } catch (error) {
    throw runError(run.source, head.at, head.text, messageOf(error));
  }
}

function evaluateOperand(
  run: Run,
  operand: Operand,
  dot: unknown,
  scopes: readonly Scope[],
  args: readonly unknown[],
): unknown {
  const { base } = operand;
  switch (base.kind) {
    case "dot":
      return readFields(run, dot, operand, args, dot);
    case "variable":
      return readFields(
        run,
        scopes.findLast((scope) => scope.has(base.name))?.get(base.name),
        operand,
        args,
        dot,
      );
    case "literal":
      if (args.length > 0)
        throw runError(
          run.source,
          operand.at,
          operand.text,
          `can't give argument to non-function ${operand.text}`,
        );
      return base.value;
    case "function":
      return readFields(run, callAt(run, operand, base.name, []), operand, args, dot);
    case "pipeline":
      return readFields(run, evaluate(run, base.pipeline, dot, scopes), operand, args, dot);
  }
}

function readFields(
  run: Run,
  start: unknown,
  operand: Operand,
  args: readonly unknown[],
  dot: unknown,
): unknown {
  let value = start;
  operand.fields.forEach(({ name }, i) => {
    value = readField(run, value, name, operand, i === operand.fields.length - 1 ? args : []);
  });
  if (operand.fields.length === 0 && args.length > 0 && value !== dot)
    throw runError(
      run.source,
      operand.at,
      operand.text,
      `can't give argument to non-function ${operand.text}`,
    );
  return value;
}

function readField(
  run: Run,
  value: unknown,
  name: string,
  operand: Operand,
  args: readonly unknown[],
): unknown {
  const fail = (message: string): TemplateError => runError(run.source, operand.at, operand.text, message);
  if (value === null || value === undefined) return undefined;
  if (!isObject(value)) throw fail(`can't evaluate field ${name} in type ${typeName(value)}`);
  const plain = isPlain(value);
  const owner = plain ? value : (Object.getPrototypeOf(value) as object);
  if (!Object.hasOwn(owner, name) || name === "toJSON") {
    if (run.maps.has(value)) return undefined;
    const alias = plain ? goName(value, name) : undefined;
    if (alias !== undefined) return readField(run, value, alias, operand, args);
    if (plain) throw fail(`map has no entry for key ${JSON.stringify(name)}`);
    throw fail(`can't evaluate field ${name} (there are ${Object.keys(owner).join(", ")})`);
  }
  const found = value[name];
  if (typeof found === "function") {
    if (args.length !== 1) throw fail(`wrong number of args for ${name}: want 1 got ${args.length}`);
    return (found as (argument: string) => unknown).call(value, formatArgument(args[0]));
  }
  if (args.length > 0) throw fail(`${name} has arguments but cannot be invoked as function`);
  if (isObject(found) && MAP_FIELDS.has(name)) run.maps.add(found);
  return found;
}

/**
 * Docker's templates run over Go structs, whose fields have other capitals than their JSON: `.ID` is `Id`,
 * `.Server.APIVersion` is `ApiVersion`, an event's `.Time` is `time`.
 */
function goName(value: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const lower = name.toLowerCase();
  const found = Object.keys(value).filter((key) => key.toLowerCase() === lower);
  return found.length === 1 ? found[0] : undefined;
}

function formatArgument(value: unknown): string {
  return typeof value === "number" ? formatNumber(value) : formatValue(value);
}

function assign(scopes: readonly Scope[], name: string, value: unknown, declares: boolean): void {
  const scope = declares ? scopes.at(-1) : scopes.findLast((each) => each.has(name));
  scope?.set(name, value);
}

function print(run: Run, text: string): void {
  run.outLength += text.length;
  if (run.outLength > MAX_OUTPUT) throw new TemplateError("template: output is too long");
  run.out.push(text);
}
