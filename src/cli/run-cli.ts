import { isPlyError, messageOf, PlyError } from "../error.ts";
import { suggest } from "../suggest.ts";
import { VERSION } from "../version.ts";
import { type CatalogueEntry, findCommand, firstWords, GROUPS, verbsOf } from "./catalogue.ts";
import {
  chooseAddress,
  createEngineClient,
  type EngineAddress,
  type EngineClient,
  openConnection,
  type Target,
} from "./client/index.ts";
import type { Command, CommandContext, Examine, Serve } from "./command.ts";
import { ExitError, INTERRUPTED, UsageError } from "./failure.ts";
import { type FlagValues, parseFlags } from "./flags.ts";
import { formatCommandHelp, formatGroupHelp, formatMainHelp, formatUsage, GLOBAL_FLAGS } from "./help.ts";
import { notYet } from "./later.ts";
import { formatOutput } from "./output/index.ts";
import type { Stdio } from "./terminal/index.ts";

/** The process around the commands; tests give one of their own. */
export interface CliEnvironment {
  readonly stdio: Stdio;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly uid: number;
  readonly serve: Serve;
  readonly examine: Examine;
  /** Starts an engine on the user's own socket and waits until it answers. */
  readonly startEngine: (address: EngineAddress & { readonly kind: "unix" }) => Promise<void>;
}

/** Runs one command line (the words after `ply`); returns the exit code. Never throws. */
export async function runCli(words: readonly string[], environment: CliEnvironment): Promise<number> {
  const { stdio } = environment;
  try {
    if (words[0] === "__complete") return await runCompletion(words.slice(1), environment);
    const global = parseFlags(GLOBAL_FLAGS, words, { stopsAtArgument: true });
    if (global.values["version"] === true) return print(stdio, `ply version ${VERSION}\n`);
    return await dispatch(global.args, global.help, {
      ...environment,
      target: targetOf(global.values as FlagValues<typeof GLOBAL_FLAGS>),
    });
  } catch (error) {
    if (error instanceof UsageError) return fail(stdio, `${error.message}\n\nSee 'ply --help'.`, error.code);
    return showError(stdio, error, 1);
  }
}

/** What the shells' completion scripts call. Tab must not start an engine. */
async function runCompletion(words: readonly string[], environment: CliEnvironment): Promise<number> {
  const { complete, formatCompletion } = await import("./completion/complete.ts");
  const completion = await complete(words, (host) => {
    const target = host === undefined ? {} : { host };
    const chosen = chooseAddress(target, environment.env, environment.uid);
    return createEngineClient(chosen.address, () =>
      openConnection({ ...chosen, explicit: true }, environment.startEngine),
    );
  });
  return print(environment.stdio, formatCompletion(completion));
}

interface Dispatch extends CliEnvironment {
  readonly target: Target;
}

function targetOf({ host, context, ...tls }: FlagValues<typeof GLOBAL_FLAGS>): Target {
  return {
    ...(host === undefined ? {} : { host }),
    ...(context === undefined ? {} : { context }),
    tls,
  };
}

async function dispatch(words: readonly string[], help: boolean, environment: Dispatch): Promise<number> {
  const { stdio } = environment;
  const [first, ...others] = words;
  if (first === undefined) return print(stdio, `${formatMainHelp(columnsOf(stdio))}\n`);
  if (first === "help") return dispatch(others, true, environment);
  const found = findCommand(words);
  if (found !== undefined) return runCommand(found.entry, help ? ["--help"] : found.rest, environment);
  if (Object.hasOwn(GROUPS, first)) {
    const [verb] = others;
    if (verb === undefined || verb === "--help" || verb === "-h")
      return print(stdio, `${formatGroupHelp(first, columnsOf(stdio))}\n`);
    const close = suggest(
      verb,
      verbsOf(first).map((each) => each.verb),
    ).map((each) => `${first} ${each}`);
    return fail(stdio, unknownCommand(`${first} ${verb}`, close, `ply ${first} --help`), 1);
  }
  const later = notYet(first);
  if (later !== undefined) return fail(stdio, `ply: ${later}\n\nSee 'ply --help'.`, 1);
  return fail(stdio, unknownCommand(first, meant(first), "ply --help"), 1);
}

/** Commands close to a word that is none; `df` is close to `system df`. */
function meant(word: string): string[] {
  const inGroups = Object.keys(GROUPS).flatMap((group) =>
    verbsOf(group)
      .filter(({ verb }) => verb === word)
      .map(({ verb }) => `${group} ${verb}`),
  );
  return inGroups.length > 0 ? inGroups : suggest(word, firstWords());
}

function unknownCommand(name: string, close: readonly string[], help: string): string {
  const meant =
    close.length === 0 ? "" : `\n\nDid you mean:\n${close.map((each) => `  ply ${each}`).join("\n")}`;
  return `ply: unknown command: ply ${name}${meant}\n\nSee '${help}'.`;
}

async function runCommand(
  entry: CatalogueEntry,
  words: readonly string[],
  environment: Dispatch,
): Promise<number> {
  const { stdio } = environment;
  const { default: command } = await entry.load();
  const context = createContext(environment);
  try {
    const parsed = parseFlags(command.flags, words, { stopsAtArgument: command.args.stopsFlags === true });
    if (parsed.help) return print(stdio, `${formatCommandHelp(entry, command, columnsOf(stdio))}\n`);
    checkCount(entry, command, parsed.args.length);
    const output = await command.run(context, parsed.values, parsed.args);
    stdio.out(formatOutput(output));
    if (output.kind === "exit") return output.code;
    const errors = "errors" in output ? (output.errors ?? []) : [];
    for (const error of errors) showError(stdio, error, 1);
    return errors.length > 0 ? 1 : 0;
  } catch (error) {
    if (error instanceof UsageError)
      return fail(
        stdio,
        `${error.message}${flagHint(command, error.unknownFlag)}\n\n${formatUsage(entry, command)}\n\nSee 'ply ${entry.names[0]} --help'.`,
        error.code,
      );
    return showError(stdio, error, command.failureCode ?? 1);
  } finally {
    context.close();
  }
}

/** For a flag that is not there: what was meant. */
function flagHint(command: Command, flag: string | undefined): string {
  if (flag === undefined) return "";
  const close = flag.startsWith("--") ? suggest(flag.slice(2), Object.keys(command.flags)) : [];
  return close.length === 0 ? "" : `\nDid you mean ${close.map((name) => `--${name}`).join(" or ")}?`;
}

function checkCount(entry: CatalogueEntry, command: Command, count: number): void {
  const { min, max = Number.POSITIVE_INFINITY } = command.args;
  if (count >= min && count <= max) return;
  const arguments_ = (n: number): string => `${n} argument${n === 1 ? "" : "s"}`;
  const wanted =
    min === max
      ? min === 0
        ? "takes no arguments"
        : `requires ${arguments_(min)}`
      : count < min
        ? `requires at least ${arguments_(min)}`
        : `takes at most ${arguments_(max)}`;
  throw new UsageError(`'ply ${entry.names[0]}' ${wanted}`, 1);
}

function createContext(environment: Dispatch): CommandContext & { close(): void } {
  const { stdio, env } = environment;
  let client: EngineClient | undefined;
  let starting: Promise<void> | undefined;
  const startOnce: CliEnvironment["startEngine"] = (address) => {
    starting ??= environment.startEngine(address);
    return starting;
  };
  return {
    stdio,
    env,
    uid: environment.uid,
    serve: environment.serve,
    examine: environment.examine,
    get engine() {
      const chosen = chooseAddress(environment.target, env, environment.uid);
      client ??= createEngineClient(chosen.address, async () => {
        const connection = await openConnection(chosen, startOnce);
        // Once the request has gone out: the engine takes longer to answer it.
        setTimeout(() => stdio.prepare(), 0);
        return connection;
      });
      return client;
    },
    connect: () => openConnection(chooseAddress(environment.target, env, environment.uid), startOnce),
    target: environment.target,
    interruptible() {
      const controller = new AbortController();
      const stop = stdio.onSignal(["SIGINT", "SIGTERM"], () => {
        if (controller.signal.aborted) process.exit(INTERRUPTED);
        controller.abort(new PlyError("cancelled", "interrupted"));
      });
      return { signal: controller.signal, [Symbol.dispose]: stop };
    },
    close() {
      client?.close();
    },
  };
}

function columnsOf(stdio: Stdio): number | undefined {
  return stdio.size()?.columns;
}

function print(stdio: Stdio, text: string): number {
  stdio.out(text);
  return 0;
}

function fail(stdio: Stdio, text: string, code: number): number {
  stdio.err(`${text}\n`);
  return code;
}

/** Says what went wrong and what to do; returns the exit code. */
function showError(stdio: Stdio, error: unknown, code: number): number {
  if (error instanceof ExitError) {
    if (error.message !== "") stdio.err(`${error.message}\n`);
    return error.code;
  }
  const hint = isPlyError(error) && error.hint !== undefined ? `\nHint: ${error.hint}` : "";
  stdio.err(`Error: ${messageOf(error)}${hint}\n`);
  return isPlyError(error, "cancelled") ? INTERRUPTED : code;
}
