import { accessSync, constants, existsSync } from "node:fs";
import { delimiter, join } from "node:path";

/** True when the program is on PATH or in the system's admin folders. */
export function hasProgram(name: string): boolean {
  const folders = `${process.env["PATH"] ?? ""}${delimiter}/usr/sbin${delimiter}/sbin`.split(delimiter);
  return folders.some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * The `skip` option of a test that needs something of its host: false when all is there, else the reason,
 * which is printed too (Bun's reporter would swallow it). Needs: `root`, `file:PATH`, or a program's name.
 */
export function unless(...needs: string[]): string | false {
  const missing = needs.filter((need) => {
    if (need === "root") return process.getuid?.() !== 0;
    if (need.startsWith("file:")) return !existsSync(need.slice("file:".length));
    return !hasProgram(need);
  });
  if (missing.length === 0) return false;
  const reason = `skipped: needs ${missing.join(", ")}`;
  console.warn(reason);
  return reason;
}
