import {
  askAbout,
  type BuildCall,
  type BuildRequestFields,
  type PreparedBuild,
} from "../../build-request/index.ts";
import { answerDocument } from "../../wire/index.ts";
import type { CommandContext } from "../command.ts";
import { UsageError } from "../failure.ts";
import { lines, type Output } from "../output/index.ts";
import { answerText, errorText } from "./call-text.ts";
import { buildDoor } from "./door.ts";
import type { BuildFlags } from "./flags.ts";

/** What is asked about a Dockerfile instead of building it. */
export interface Call {
  readonly name: BuildCall;
  readonly isJson: boolean;
  /** Warnings do not make the exit code 1. */
  readonly ignoresStatus: boolean;
}

const NAMES = ["check", "outline", "targets"] as const;

/** `--check` and `--call=NAME[,format=json][,ignorestatus=true]`; undefined: build. Throws UsageError. */
export function callOf({ check, call }: Pick<BuildFlags, "check" | "call">): Call | undefined {
  const [written = "", ...options] = (check && call === "build" ? "check" : call).split(",");
  const name = NAMES.find((each) => each === (written === "lint" ? "check" : written));
  const given = new Map(options.map((option) => [option.split("=")[0] ?? "", option.split("=")[1] ?? ""]));
  const isKnown = [...given].every(
    ([key, value]) =>
      (key === "format" && ["json", "text"].includes(value)) ||
      (key === "ignorestatus" && ["true", "false", "1", "0"].includes(value)),
  );
  if ((name === undefined && written !== "build") || !isKnown)
    throw new UsageError(
      `invalid argument ${JSON.stringify(call)} for "--call" flag: it is build, check, outline or targets, and then ,format=json or ,ignorestatus=true`,
    );
  if (name === undefined) return undefined;
  return {
    name,
    isJson: given.get("format") === "json",
    ignoresStatus: ["true", "1"].includes(given.get("ignorestatus") ?? ""),
  };
}

/** Asks the engine, and prints what it says. */
export async function answerCall(
  { engine, stdio }: Pick<CommandContext, "engine" | "stdio">,
  prepared: PreparedBuild,
  request: BuildRequestFields,
  { name, isJson, ignoresStatus }: Call,
): Promise<Output> {
  const answer = await askAbout(buildDoor(engine), prepared, request, name);
  const document = isJson ? [JSON.stringify(answerDocument(answer), null, 2)] : answerText(answer);
  const isBad = answer.type === "check" && (answer.warnings.length > 0 || answer.error !== undefined);
  if (!isBad) return lines(...document);
  for (const line of document) stdio.out(`${line}\n`);
  const error = answer.type === "check" && !isJson ? errorText(answer) : [];
  for (const line of error) stdio.err(`${line}\n`);
  return { kind: "exit", code: ignoresStatus && answer.error === undefined ? 0 : 1 };
}
