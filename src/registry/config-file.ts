import { randomUUID } from "node:crypto";
import { mkdir, open, readFile, realpath, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { codeOf, messageOf, PlyError } from "../error.ts";
import { type JsonObject, parseJsonObject } from "../oci/index.ts";

const MAX_CONFIG_FILE_BYTES = 4 * 1024 * 1024;

/** Docker's `config.json`; {} when there is none. Throws "invalid" when it is no JSON object. */
export async function readConfigFile(path: string): Promise<JsonObject> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    const code = codeOf(error);
    if (code === "ENOENT" || code === "ENOTDIR") return {};
    throw new PlyError("unavailable", `cannot read ${path}: ${messageOf(error)}`, { cause: error });
  }
  if (bytes.byteLength === 0) return {};
  try {
    return parseJsonObject(bytes, path, MAX_CONFIG_FILE_BYTES);
  } catch (cause) {
    // Without the parser's words: they quote the text, which holds passwords.
    throw new PlyError("invalid", `${path} is not a JSON object`, {
      hint: "mend it or move it away",
      details: { path },
      ...(cause instanceof PlyError && cause.kind === "limit" ? { cause } : {}),
    });
  }
}

/**
 * Replaces the file by what `change` makes of it, atomically and readable by its owner only. A symbolic link
 * stays one. Of two writers at once the later one wins.
 */
export async function updateConfigFile(
  path: string,
  change: (config: JsonObject) => JsonObject,
): Promise<void> {
  const target = await realpath(path).catch(() => path);
  const text = `${JSON.stringify(change(await readConfigFile(target)), null, "\t")}\n`;
  await mkdir(dirname(target), { recursive: true, mode: 0o700 });
  const temporary = join(dirname(target), `.${basename(target)}.${randomUUID()}`);
  try {
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(text);
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw new PlyError("unavailable", `cannot write ${path}: ${messageOf(error)}`, { cause: error });
  }
}
