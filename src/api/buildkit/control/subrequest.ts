import type { CallOptions, Calls } from "../../../build/index.ts";
import { answerDocument } from "../../../wire/index.ts";
import { answerCall } from "../../ply-build-call.ts";
import { unsupportedSubrequest } from "./failure.ts";

/** What clients call the questions that there are (`--call`), and the version of the documents that answer them. */
const CALLS = {
  "frontend.lint": "check",
  "frontend.outline": "outline",
  "frontend.targets": "targets",
} as const;
const VERSION = "1.0.0";
const DESCRIBE = "frontend.subrequests.describe";

/** Answers a question about a Dockerfile with what goes with a result. Throws "internal" with BuildKit's details for others. */
export async function answerSubrequest(
  calls: Calls,
  id: string,
  options: CallOptions,
): Promise<ReadonlyMap<string, Uint8Array>> {
  if (id === DESCRIBE) return documents(describe());
  const call = Object.entries(CALLS).find(([name]) => name === id)?.[1];
  if (call === undefined) throw unsupportedSubrequest(id);
  const answer = await answerCall(calls, call, options);
  const document = documents(answerDocument(answer));
  if (answer.type !== "check") return document;
  const hasFound = answer.error !== undefined || answer.warnings.length > 0;
  return new Map([...document, ["result.statuscode", Buffer.from(hasFound ? "1" : "0")]]);
}

function documents(value: object): Map<string, Uint8Array> {
  const text = JSON.stringify(value, null, 2);
  return new Map([
    ["result.json", Buffer.from(text)],
    ["result.txt", Buffer.from(`${text}\n`)],
    ["version", Buffer.from(VERSION)],
  ]);
}

function describe(): object {
  const metadata = [{ name: "result.json" }, { name: "result.txt" }];
  const rows: readonly (readonly [name: string, description: string])[] = [
    ["frontend.lint", "Lint a Dockerfile"],
    ["frontend.outline", "List all parameters current build target supports"],
    ["frontend.targets", "List all targets current build supports"],
    [DESCRIBE, "List available subrequest types"],
  ];
  return rows.map(([name, description]) => ({ name, version: VERSION, type: "rpc", description, metadata }));
}
