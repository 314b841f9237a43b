import { constants } from "node:os";
import { PlyError } from "../../error.ts";
import { resolveInTree, type TreeNode } from "../../layer/index.ts";
import { byteString } from "../../tar/index.ts";

/** Where a shell's exit codes for signals begin. */
const SIGNALS = 128;

/** What an exit code says besides itself; `path`: where the step looks for programs, `args`: what it ran. */
export function exitHint(
  exitCode: number,
  {
    args,
    path,
    isOutOfMemory,
  }: { readonly args: readonly string[]; readonly path: string; readonly isOutOfMemory: boolean },
): string | undefined {
  if (isOutOfMemory) return "memory ran out and the kernel killed it: --memory gives steps more";
  if (exitCode === 127 && args[2]?.trimStart().startsWith('["') === true)
    return "this is no JSON list, so the shell ran it: every word stands in double quotes";
  if (exitCode === 127) return `127: there is no such program in ${path}; install it in a step before`;
  if (exitCode === 126)
    return "126: that file cannot be run: it is not executable, a directory, or its interpreter is missing";
  const signal = Object.entries(constants.signals).find(([, number]) => number === exitCode - SIGNALS);
  if (signal === undefined) return undefined;
  const [name] = signal;
  if (name === "SIGKILL") return "137: it was killed (SIGKILL); where nobody did, memory ran out";
  if (name === "SIGILL") return "132: an instruction that this CPU does not have (SIGILL)";
  if (name === "SIGSEGV") return "139: it crashed (SIGSEGV)";
  return `${exitCode}: a signal ended it (${name})`;
}

/** Of a command that did not even start: says so where it is for want of its program, such as a shell in an empty image. */
export function hintingProgram(error: unknown, program: string, root: TreeNode): unknown {
  if (!(error instanceof PlyError) || error.hint !== undefined || !program.startsWith("/")) return error;
  if (resolveInTree(root, byteString(program)).node !== undefined) return error;
  const hint = `there is no ${program} in the stage: begin with an image that has it, or name another in RUN ["PROGRAM", …] or SHELL`;
  return new PlyError(error.kind, error.message, { cause: error, details: error.details, hint });
}
