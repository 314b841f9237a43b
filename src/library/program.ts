import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { PlyError } from "../error.ts";

/**
 * The words that run ply: `PLY_BINARY`, the binary of this package, `ply` on PATH, or Bun with this package's
 * source. Throws "unsupported" with what was looked for.
 */
export function findProgram(env: Readonly<Record<string, string | undefined>>): readonly string[] {
  const named = env["PLY_BINARY"];
  if (named !== undefined && named !== "") {
    if (existsSync(named)) return [named];
    throw new PlyError("unsupported", `PLY_BINARY is ${named}, which is not there`);
  }
  const root = packageRoot();
  const bundled = root === undefined ? undefined : join(root, "dist", "ply");
  if (bundled !== undefined && existsSync(bundled)) return [bundled];
  for (const folder of (env["PATH"] ?? "").split(delimiter))
    if (folder !== "" && existsSync(join(folder, "ply"))) return [join(folder, "ply")];
  const source = root === undefined ? undefined : join(root, "src", "main.ts");
  const bun = findBun();
  if (source !== undefined && existsSync(source) && bun !== undefined) return [bun, source];
  throw new PlyError("unsupported", "there is no ply program to start an engine with", {
    hint: "npm run build makes dist/ply; or name one in PLY_BINARY",
  });
}

/** The folder of this package: of the bundle in dist/ as well as of the source. */
function packageRoot(): string | undefined {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const file = join(folder, "package.json");
    if (existsSync(file) && (JSON.parse(readFileSync(file, "utf8")) as { name?: string }).name === "ply")
      return folder;
    if (folder === dirname(folder)) return undefined;
  }
}

function findBun(): string | undefined {
  if (process.versions["bun"] !== undefined) return process.execPath;
  try {
    const bun = join(dirname(createRequire(import.meta.url).resolve("bun/package.json")), "bin", "bun.exe");
    return existsSync(bun) ? bun : undefined;
  } catch {
    return undefined;
  }
}
