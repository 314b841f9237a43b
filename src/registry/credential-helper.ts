import { spawn } from "node:child_process";
import { messageOf, PlyError } from "../error.ts";
import { cleanText } from "./registry-error.ts";

/** A helper may ask the user to unlock a keychain. */
const HELPER_TIMEOUT_MS = 30_000;
const MAX_ANSWER_BYTES = 64 * 1024;

export interface CredentialHelperCall {
  /** For its standard input. */
  readonly input: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly timeoutMs?: number;
}

/**
 * Runs `docker-credential-NAME VERB` and returns what it printed; undefined when it knows no such
 * credentials. Throws unavailable (not installed, failed, too slow), invalid (a name that is a path).
 */
export function runCredentialHelper(
  name: string,
  verb: "get" | "store" | "erase",
  { input, env, timeoutMs = HELPER_TIMEOUT_MS }: CredentialHelperCall,
): Promise<string | undefined> {
  const program = `docker-credential-${name}`;
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name))
    throw new PlyError("invalid", `${JSON.stringify(name)} is not the name of a credential helper`);
  return new Promise((resolve, reject) => {
    const fail = (why: string, cause?: unknown): void => {
      clearTimeout(timer);
      child.kill("SIGKILL");
      reject(
        new PlyError("unavailable", `${program} ${verb}: ${why}`, {
          hint: "see credsStore and credHelpers in Docker's config.json",
          ...(cause === undefined ? {} : { cause }),
        }),
      );
    };
    const child = spawn(program, [verb], { stdio: ["pipe", "pipe", "pipe"], env: { ...env } });
    const timer = setTimeout(() => fail(`no answer in ${timeoutMs / 1000} s`), timeoutMs);
    let output = "";
    let errors = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      if (output.length > MAX_ANSWER_BYTES) fail("its answer is too long");
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      errors = (errors + text).slice(0, MAX_ANSWER_BYTES);
    });
    child.on("error", (cause) => fail(messageOf(cause), cause));
    child.on("close", (code) => {
      clearTimeout(timer);
      if (code === 0) return resolve(output);
      // The protocol has no code for it, only these words.
      const isUnknown = /credentials not found/i.test(output + errors);
      if (verb !== "store" && isUnknown) return resolve(undefined);
      fail(cleanText(errors || output) || `it ended with status ${code}`);
    });
    // A helper that ends without reading is judged by its status.
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
  });
}
