import { execFile } from "node:child_process";

/** Far above what crun, runc or conmon ever print. */
const OUTPUT_LIMIT = 1024 * 1024;

/** Runs a program to its end. Never rejects: a program that cannot start has exit code -1 and the reason as output. */
export function runTool(
  path: string,
  args: readonly string[],
): Promise<{ exitCode: number; output: string }> {
  return new Promise((resolve) => {
    execFile(path, [...args], { maxBuffer: OUTPUT_LIMIT }, (error, stdout, stderr) => {
      const output = `${stdout}${stderr}`;
      if (error === null) resolve({ exitCode: 0, output });
      else {
        const code = (error as { code?: unknown }).code;
        resolve({ exitCode: typeof code === "number" ? code : -1, output: output || error.message });
      }
    });
  });
}
