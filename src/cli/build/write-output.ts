import { mkdirSync } from "node:fs";
import { mergeLayout, NEW_INDEX } from "../../build-request/index.ts";
import { openRoot, unpack } from "../../files/index.ts";
import { writeFileWhole } from "../../host-file.ts";
import type { TarEntry } from "../../tar/index.ts";
import type { Stdio } from "../terminal/index.ts";
import type { Sink } from "./outputs.ts";

/** Writes an output where it goes: a file appears when it is whole, a directory fills as things come. */
export async function writeOutput(
  sink: Sink,
  content: AsyncIterable<Uint8Array>,
  { stdio, signal }: { readonly stdio: Stdio; readonly signal: AbortSignal },
): Promise<void> {
  if (sink.kind === "stdout") {
    for await (const chunk of content) await stdio.writeBytes("stdout", chunk);
    return;
  }
  if (sink.kind === "file") return await writeFileWhole(sink.path, content);
  mkdirSync(sink.path, { recursive: true });
  using root = openRoot(sink.path);
  await unpack(root, ".", content, {
    keepKinds: false,
    owner: "caller",
    links: "refuse",
    devices: "leave out",
    changed: sink.kind === "layout" ? withNewIndex : harmless,
    signal,
  });
  if (sink.kind === "layout") await mergeLayout(sink.path);
}

/** What an image has for its own root is no good in a directory of ours: a program that ran as its owner would run as the caller. */
function harmless(entry: TarEntry): TarEntry {
  const xattrs = new Map([...entry.xattrs].filter(([name]) => name.startsWith("user.")));
  return { ...entry, mode: entry.mode & 0o1777, xattrs };
}

/** The index of a layout comes first, and says what is not there yet. */
function withNewIndex(entry: TarEntry): TarEntry {
  return entry.path === "index.json" ? { ...entry, path: NEW_INDEX } : entry;
}
