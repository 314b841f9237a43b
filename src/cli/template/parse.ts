import { parseError } from "./error.ts";
import { FUNCTION_NAMES } from "./functions.ts";
import { lex, type Token } from "./lex.ts";

/** A value within an action; `fields` are read off it one after the other. `at` and `text` are for error messages. */
export interface Operand {
  readonly base:
    | { readonly kind: "dot" }
    | { readonly kind: "variable"; readonly name: string }
    | { readonly kind: "literal"; readonly value: string | number | boolean | null }
    | { readonly kind: "function"; readonly name: string }
    | { readonly kind: "pipeline"; readonly pipeline: Pipeline };
  readonly fields: readonly { readonly name: string; readonly at: number }[];
  readonly at: number;
  readonly text: string;
}

export interface Pipeline {
  /** `$x`, or `$i, $x` in a range. */
  readonly variables: readonly string[];
  /** True for `:=`. */
  readonly declares: boolean;
  /** Each a function or method with its arguments, or one value. */
  readonly commands: readonly (readonly Operand[])[];
}

export type Node =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "print"; readonly pipeline: Pipeline }
  | {
      readonly kind: "if" | "range" | "with";
      readonly pipeline: Pipeline;
      readonly body: readonly Node[];
      readonly otherwise: readonly Node[];
    }
  | { readonly kind: "break" | "continue" };

export interface Template {
  readonly source: string;
  readonly nodes: readonly Node[];
}

/** Deeper nesting than this is nobody's format string. */
const MAX_DEPTH = 100;

/**
 * Reads a Go template (the part Docker's users write: all but define, block and template). With `unescapeText`,
 * `\t` and `\n` outside actions are a tab and a line break, as in Docker's listings. Throws TemplateError.
 */
export function parseTemplate(source: string, options: { readonly unescapeText?: boolean } = {}): Template {
  const parser = createParser(source, lex(source), options.unescapeText === true);
  return { source, nodes: parser.parseAll() };
}

type ListEnd = "end" | "else" | "eof";

function createParser(source: string, tokens: readonly Token[], unescapeText: boolean) {
  let next = 0;
  let loops = 0;
  const scopes: string[][] = [["$"]];

  const peek = (): Token | undefined => tokens[next];
  const fail = (token: Token | undefined, message: string): never => {
    throw parseError(source, token?.at ?? source.length, message);
  };
  const skipSpace = (): void => {
    while (peek()?.kind === "space") next++;
  };
  const describe = (token: Token | undefined): string => {
    if (token === undefined) return "EOF";
    if (token.kind === "close") return '"}}"';
    if (token.kind === "string") return JSON.stringify(token.text);
    if (token.kind === "number") return `"${token.value}"`;
    if ("text" in token) return `<${token.kind === "field" ? "." : ""}${token.text}>`;
    return `"${token.kind === "pipe" ? "|" : token.kind === "dot" ? "." : token.kind}"`;
  };

  function parseList(depth: number): { nodes: Node[]; end: ListEnd } {
    if (depth > MAX_DEPTH) fail(peek(), "exceeded maximum nesting depth");
    const nodes: Node[] = [];
    for (;;) {
      const token = tokens[next++];
      if (token === undefined) return { nodes, end: "eof" };
      if (token.kind === "text") {
        const text = unescapeText
          ? token.text.replace(/\\([tn])/g, (_, letter: string) => (letter === "t" ? "\t" : "\n"))
          : token.text;
        nodes.push({ kind: "text", text });
        continue;
      }
      skipSpace();
      const keyword = peek();
      const word = keyword?.kind === "word" ? keyword.text : "";
      if (word === "end" || word === "else") {
        next++;
        if (word === "end") close("end");
        return { nodes, end: word };
      }
      if (word === "if" || word === "range" || word === "with") {
        next++;
        nodes.push(parseBlock(word, depth));
      } else if (word === "break" || word === "continue") {
        next++;
        if (loops === 0) fail(keyword, `{{${word}}} outside {{range}}`);
        close(word);
        nodes.push({ kind: word });
      } else if (word === "define" || word === "block" || word === "template") {
        fail(keyword, `{{${word}}} is not supported in a format`);
      } else {
        nodes.push({ kind: "print", pipeline: parsePipeline("command", "close") });
      }
    }
  }

  function parseBlock(kind: "if" | "range" | "with", depth: number): Node {
    scopes.push([]);
    const pipeline = parsePipeline(kind, "close");
    if (kind === "range") loops++;
    const { nodes: body, end } = parseList(depth + 1);
    if (kind === "range") loops--;
    let otherwise: readonly Node[] = [];
    if (end === "eof") fail(undefined, "unexpected EOF");
    if (end === "else") otherwise = parseElse(kind, depth);
    scopes.pop();
    return { kind, pipeline, body, otherwise };
  }

  /** After the word `else`: the rest of a chain, or a list up to its end. */
  function parseElse(kind: "if" | "range" | "with", depth: number): readonly Node[] {
    skipSpace();
    const token = peek();
    if (token?.kind === "word" && token.text === kind && kind !== "range") {
      next++;
      return [parseBlock(kind, depth + 1)];
    }
    close("else");
    const { nodes, end } = parseList(depth + 1);
    if (end === "eof") fail(undefined, "unexpected EOF");
    if (end === "else") fail(peek(), "expected end; found {{else}}");
    return nodes;
  }

  function close(context: string): void {
    skipSpace();
    const token = tokens[next++];
    if (token?.kind !== "close") fail(token, `unexpected ${describe(token)} in ${context}`);
  }

  function parsePipeline(context: string, end: "close" | ")"): Pipeline {
    skipSpace();
    const { variables, declares } = parseAssignment(context);
    const commands: Operand[][] = [];
    for (;;) {
      const first = peek();
      const operands = parseCommand(context);
      if (operands.length === 0)
        fail(first, commands.length === 0 ? `missing value for ${context}` : `missing value for command`);
      const head = operands[0];
      if (commands.length > 0 && head?.base.kind === "literal")
        fail(first, `non executable command in pipeline stage ${commands.length + 1}`);
      commands.push(operands);
      const token = tokens[next++];
      if (token?.kind === end) break;
      if (token?.kind !== "pipe") fail(token, `unexpected ${describe(token)} in ${context}`);
    }
    // Only now: `{{$x := $x}}` speaks of the outer one.
    if (declares) scopes.at(-1)?.push(...variables);
    return { variables, declares, commands };
  }

  function parseAssignment(context: string): { variables: string[]; declares: boolean } {
    const before = next;
    const variables: string[] = [];
    for (;;) {
      const token = peek();
      if (token?.kind !== "variable") break;
      variables.push(token.text);
      next++;
      skipSpace();
      const after = peek();
      if (after?.kind === ":=" || after?.kind === "=") {
        next++;
        skipSpace();
        if (after.kind === "=") for (const name of variables) requireVariable(name, token);
        return { variables, declares: after.kind === ":=" };
      }
      if (after?.kind !== "," || context !== "range" || variables.length > 1) break;
      next++;
      skipSpace();
    }
    next = before;
    return { variables: [], declares: false };
  }

  function requireVariable(name: string, token: Token): void {
    if (!scopes.some((scope) => scope.includes(name)))
      fail(token, `undefined variable ${JSON.stringify(name)}`);
  }

  function parseCommand(context: string): Operand[] {
    const operands: Operand[] = [];
    for (;;) {
      skipSpace();
      const operand = parseOperand(context);
      if (operand === undefined) return operands;
      operands.push(operand);
      const token = peek();
      if (token?.kind === "space" || token?.kind === "pipe" || token?.kind === ")" || token?.kind === "close")
        continue;
      fail(token, `unexpected ${describe(token)} in operand`);
    }
  }

  function parseOperand(context: string): Operand | undefined {
    const token = peek();
    if (token === undefined || token.kind === "pipe" || token.kind === ")" || token.kind === "close")
      return undefined;
    next++;
    const fields: { name: string; at: number }[] = [];
    const base = parseBase(token, fields, context);
    for (let field = peek(); field?.kind === "field"; field = peek()) {
      if (base.kind === "literal") fail(field, `unexpected . after term ${describe(token)}`);
      fields.push({ name: field.text, at: field.at });
      next++;
    }
    const end = peek()?.at ?? source.length;
    return { base, fields, at: token.at, text: source.slice(token.at, end).trim() };
  }

  function parseBase(token: Token, fields: { name: string; at: number }[], context: string): Operand["base"] {
    switch (token.kind) {
      case "dot":
        return { kind: "dot" };
      case "field":
        fields.push({ name: token.text, at: token.at });
        return { kind: "dot" };
      case "variable":
        requireVariable(token.text, token);
        return { kind: "variable", name: token.text };
      case "string":
        return { kind: "literal", value: token.text };
      case "number":
        return { kind: "literal", value: token.value };
      case "(":
        return { kind: "pipeline", pipeline: parsePipeline("parenthesized pipeline", ")") };
      case "word":
        if (token.text === "true" || token.text === "false")
          return { kind: "literal", value: token.text === "true" };
        if (token.text === "nil") return { kind: "literal", value: null };
        if (!FUNCTION_NAMES.has(token.text))
          fail(token, `function ${JSON.stringify(token.text)} not defined`);
        return { kind: "function", name: token.text };
      default:
        return fail(token, `unexpected ${describe(token)} in ${context}`);
    }
  }

  return {
    parseAll(): readonly Node[] {
      const { nodes, end } = parseList(0);
      if (end !== "eof") fail(tokens[next - 1], `unexpected {{${end}}}`);
      return nodes;
    },
  };
}
