import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import type { IgnoreFile } from "../dockerfile/index.ts";
import { PlyError } from "../error.ts";
import { reasonOf } from "../host-file.ts";
import { TAR_END, tarHeader, tarPadding } from "../tar/index.ts";
import type { LocalContext } from "./context.ts";

/** One path of a context, or one that a rule leaves out. */
export interface ContextPath {
  /** Relative, `/` between names. */
  readonly path: string;
  readonly kind: "file" | "directory" | "symlink";
  readonly mode: number;
  readonly size: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanos: number;
  readonly linkTarget: string;
  /** The rule that leaves it out; absent: it is sent. */
  readonly leftOutBy?: string;
}

const NANOS = 1_000_000_000n;

/** Everything in a directory in byte order; what is left out is told once, not with all that is below it. */
export function* walkContext(directory: string, ignore: IgnoreFile): Generator<ContextPath> {
  yield* walk(directory, "", ignore);
}

function* walk(directory: string, below: string, ignore: IgnoreFile): Generator<ContextPath> {
  const names = readdirSync(join(directory, below)).sort((a, b) =>
    Buffer.compare(Buffer.from(a), Buffer.from(b)),
  );
  for (const name of names) {
    const path = below === "" ? name : `${below}/${name}`;
    const full = join(directory, path);
    const stat = lstatSync(full, { bigint: true });
    const isDirectory = stat.isDirectory();
    if (!isDirectory && !stat.isFile() && !stat.isSymbolicLink()) continue;
    const nanos = ((stat.mtimeNs % NANOS) + NANOS) % NANOS;
    const found: ContextPath = {
      path,
      kind: isDirectory ? "directory" : stat.isFile() ? "file" : "symlink",
      mode: Number(stat.mode & 0o7777n),
      size: stat.isFile() ? Number(stat.size) : 0,
      mtimeSeconds: Number((stat.mtimeNs - nanos) / NANOS),
      mtimeNanos: Number(nanos),
      linkTarget: stat.isSymbolicLink() ? readlinkSync(full, { encoding: "latin1" }) : "",
    };
    if (!ignore.isIgnored(path)) yield found;
    else yield { ...found, leftOutBy: ruleText(ignore, path) };
    if (!isDirectory) continue;
    if (!ignore.isIgnored(path) || ignore.mayKeepBelow(path)) yield* walk(directory, path, ignore);
  }
}

function ruleText(ignore: IgnoreFile, path: string): string {
  const rule = ignore.decidedBy(path);
  return rule === undefined ? "" : `${rule.text} (line ${rule.line})`;
}

/** How much is gathered before it is handed on. */
const CHUNK_BYTES = 256 * 1024;

/** Contexts as members of one archive: `context/…`, `contexts/NAME/…`. Everything belongs to root. */
export async function* packContexts(contexts: readonly LocalContext[]): AsyncGenerator<Uint8Array> {
  let gathered: Uint8Array[] = [];
  let length = 0;
  for (const context of contexts) {
    gathered.push(tarHeader({ path: `${context.member}/`, type: "directory", mode: 0o755 }));
    length += 512;
    for (const { path, kind, bytes, ...attributes } of entriesOf(context)) {
      const name = Buffer.from(`${context.member}/${path}${kind === "directory" ? "/" : ""}`).toString(
        "latin1",
      );
      const header = tarHeader({ ...attributes, path: name, type: kind });
      gathered.push(header, ...(bytes === undefined ? [] : [bytes, tarPadding(bytes.length)]));
      length += header.length + (bytes?.length ?? 0);
      if (length < CHUNK_BYTES) continue;
      yield Buffer.concat(gathered);
      gathered = [];
      length = 0;
    }
  }
  yield Buffer.concat([...gathered, TAR_END]);
}

type Entry = Pick<ContextPath, "path" | "kind" | "mode" | "size" | "mtimeSeconds"> & {
  readonly mtimeNanos?: number;
  readonly linkTarget?: string;
  readonly bytes?: Uint8Array;
};

function* entriesOf(context: LocalContext): Generator<Entry> {
  const { ignore } = context;
  if ("directory" in context) {
    for (const { leftOutBy, ...found } of walkContext(context.directory, ignore)) {
      if (leftOutBy !== undefined) continue;
      if (found.kind !== "file") yield found;
      else yield { ...found, bytes: readWhole(join(context.directory, found.path), found.size) };
    }
    return;
  }
  const mtimeSeconds = Math.floor(Date.now() / 1000);
  for (const [path, { bytes, mode }] of context.files)
    if (!ignore.isIgnored(path)) yield { path, kind: "file", mode, size: bytes.length, mtimeSeconds, bytes };
}

function readWhole(path: string, size: number): Uint8Array {
  try {
    const bytes = readFileSync(path);
    if (bytes.length === size) return bytes;
  } catch (cause) {
    throw new PlyError("denied", `cannot read ${path}: ${reasonOf(cause)}`, {
      cause,
      hint: "name it in .dockerignore, or make it readable",
    });
  }
  throw new PlyError("conflict", `${path} changed while it was sent`, { hint: "build again" });
}
