import { spawn } from "node:child_process";
import { PlyError } from "../error.ts";

/**
 * Brings the whole filesystem of a path to disk: what thousands of small files need before what they were made
 * from may go. sync(1), because syncfs(2) by FFI would stop this thread for as long as it takes.
 */
export function syncFilesystem(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn("sync", ["-f", path], { stdio: "ignore" });
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve();
      else reject(new PlyError("internal", `sync -f ${path} ended with code ${code}`));
    });
  });
}
