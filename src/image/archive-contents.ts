import { posix } from "node:path";
import { detectCompression } from "../compress/index.ts";
import { isPlyError, messageOf, PlyError, throwIfAborted } from "../error.ts";
import { type DiffId, type Digest, MAX_CONFIG_BYTES, parseDigest } from "../oci/index.ts";
import type { Lease } from "../store/index.ts";
import { byteString, readTar, shownPath, TAR_BLOCK, type TarContent } from "../tar/index.ts";
import { inflateArchive } from "./archive-limit.ts";
import { type ImageContext, shortId } from "./context.ts";
import type { OnProgress } from "./images.ts";

/** JSON documents of one archive together; thousands of images. */
const MAX_DOCUMENTS_BYTES = 128 * 1024 * 1024;
/** Members of an archive, links included. */
const MAX_MEMBERS = 200_000;
/** Symbolic links followed from one member to another. */
const MAX_LINKS = 8;

/** What an image archive was found to hold, once it has passed by. */
export interface ArchiveContents {
  /** A JSON document by its path; undefined when there is none. */
  document(path: string): Uint8Array | undefined;
  /** The layer that a member was. Throws the member's own failure; "invalid" naming it where it is missing or is no layer. */
  layer(path: string, namedBy: string): DiffId;
  /** True when the archive has a member of that path. */
  has(path: string): boolean;
}

/** Where a blob is in an OCI layout (image-layout.md#blobs). */
export function blobMember(digest: Digest): string {
  return `blobs/${digest.replace(":", "/")}`;
}

type Member =
  | { readonly kind: "document"; readonly bytes: Uint8Array }
  | { readonly kind: "layer"; readonly diffId: DiffId }
  | { readonly kind: "broken"; readonly error: unknown }
  | { readonly kind: "link"; readonly target: string }
  | { readonly kind: "other" };

/**
 * Reads an archive once, in whatever order its members come, plain or compressed: layers go straight into the store, kept by
 * the lease, JSON is held in memory, anything else is passed over. What cannot be a layer after all fails only when a manifest
 * asks for it. Throws corrupt (the archive itself), limit, cancelled.
 */
export async function readArchive(
  context: ImageContext,
  archive: AsyncIterable<Uint8Array>,
  options: { readonly lease: Lease; readonly signal?: AbortSignal; readonly onProgress?: OnProgress },
): Promise<ArchiveContents> {
  const members = new Map<string, Member>();
  let documentBytes = 0;
  for await (const item of archiveItems(abortable(archive, options.signal))) {
    const path = memberPath(item.entry.path);
    if (path === undefined) continue;
    if (members.size >= MAX_MEMBERS)
      throw new PlyError("limit", `the archive has more than ${MAX_MEMBERS} members`);
    if (item.entry.type === "symlink" || item.entry.type === "hardlink") {
      const target = linkTarget(path, item);
      if (target !== undefined) members.set(path, { kind: "link", target });
    } else if (item.entry.type === "file") {
      const member = await readMember(context, path, item, options);
      if (member.kind === "document") documentBytes += member.bytes.length;
      if (documentBytes > MAX_DOCUMENTS_BYTES)
        throw new PlyError("limit", `the archive has more than ${MAX_DOCUMENTS_BYTES} bytes of JSON`);
      members.set(path, member);
    }
  }

  const find = (path: string): Member | undefined => {
    let at = posix.normalize(path);
    for (let links = 0; links <= MAX_LINKS; links++) {
      const member = members.get(at);
      if (member?.kind !== "link") return member;
      at = member.target;
    }
    return undefined;
  };
  return {
    has: (path) => find(path) !== undefined,
    document(path) {
      const member = find(path);
      return member?.kind === "document" ? member.bytes : undefined;
    },
    layer(path, namedBy) {
      const member = find(path);
      if (member?.kind === "layer") return member.diffId;
      if (member?.kind === "broken") {
        const kind = isPlyError(member.error) ? member.error.kind : "corrupt";
        throw new PlyError(kind, `${path} in the archive: ${messageOf(member.error)}`, {
          cause: member.error,
        });
      }
      throw new PlyError(
        "invalid",
        member === undefined
          ? `the archive has no member ${JSON.stringify(path)}, which ${namedBy} names`
          : `${JSON.stringify(path)} in the archive, which ${namedBy} names as a layer, is no tar`,
      );
    },
  };
}

/** Bytes of which not even the first are an archive's are something else altogether: that is what to say then. */
async function* archiveItems(archive: AsyncIterable<Uint8Array>): AsyncGenerator<TarContent> {
  let isArchive = false;
  try {
    for await (const item of readTar(inflateArchive(archive))) {
      isArchive = true;
      yield item;
    }
  } catch (error) {
    if (isArchive || !isPlyError(error, "corrupt")) throw error;
    throw new PlyError("invalid", `not an image archive: ${error.message}`, {
      cause: error,
      hint: "give what docker save, podman save, skopeo or ply save wrote",
    });
  }
}

/** A member's path, cleaned; undefined for one outside the archive. JSON names members in UTF-8, tar in bytes. */
function memberPath(bytes: string): string | undefined {
  const path = posix.normalize(shownPath(bytes)).replace(/^\/+|\/+$/g, "");
  return path === "." || path === "" || path === ".." || path.startsWith("../") ? undefined : path;
}

function linkTarget(path: string, { entry }: TarContent): string | undefined {
  const target = shownPath(entry.linkTarget);
  // A symlink counts from its own directory, a hard link from the archive's root.
  const from = entry.type === "symlink" && !target.startsWith("/") ? posix.dirname(path) : ".";
  return memberPath(byteString(posix.join(from, target)));
}

async function* abortable(
  stream: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of stream) {
    throwIfAborted(signal);
    yield chunk;
  }
}

async function readMember(
  context: ImageContext,
  path: string,
  { entry, content }: TarContent,
  options: { readonly lease: Lease; readonly signal?: AbortSignal; readonly onProgress?: OnProgress },
): Promise<Member> {
  const expected = digestOfMember(path);
  const hint = expected ?? diffIdOfMember(path);
  const known = hint === undefined ? undefined : knownLayer(context, hint);
  if (known !== undefined) {
    context.store.leases.addLayer(options.lease, known);
    options.onProgress?.({ kind: "layer", id: shortId(hint ?? known), status: "Already exists" });
    return { kind: "layer", diffId: known };
  }
  const { head, stream } = await peek(content, TAR_BLOCK);
  if (looksLikeJson(head)) {
    if (entry.size > MAX_CONFIG_BYTES) return { kind: "other" };
    const chunks: Uint8Array[] = [];
    for await (const chunk of stream) chunks.push(new Uint8Array(chunk));
    return { kind: "document", bytes: Buffer.concat(chunks) };
  }
  if (!looksLikeLayer(head)) return { kind: "other" };
  return await ingestMember(context, { path, size: entry.size, stream, expected }, options);
}

async function ingestMember(
  context: ImageContext,
  member: {
    readonly path: string;
    readonly size: number;
    readonly stream: AsyncGenerator<Uint8Array>;
    readonly expected: Digest | undefined;
  },
  options: { readonly lease: Lease; readonly signal?: AbortSignal; readonly onProgress?: OnProgress },
): Promise<Member> {
  const id = member.expected === undefined ? labelOf(member.path) : shortId(member.expected);
  const archiveFailure: { error?: unknown } = {};
  const stream = watched(member.stream, archiveFailure);
  try {
    const record = await context.store.layers.ingest(
      {
        ...(member.expected === undefined ? {} : { digest: member.expected }),
        size: member.size,
        resumable: false,
        open: async () => stream,
      },
      options.lease,
      {
        ...(options.signal === undefined ? {} : { signal: options.signal }),
        onProgress: (progress) => {
          if (progress.phase === "downloading")
            options.onProgress?.({
              kind: "layer",
              id,
              status: "Loading",
              current: progress.bytes,
              total: member.size,
            });
          else if (progress.phase === "ready")
            options.onProgress?.({
              kind: "layer",
              id,
              status: progress.existed ? "Already exists" : "Ready",
            });
        },
      },
    );
    return { kind: "layer", diffId: record.diffId };
  } catch (error) {
    if ("error" in archiveFailure) throw archiveFailure.error;
    if (!isPlyError(error) || !["corrupt", "invalid", "limit", "unsupported"].includes(error.kind))
      throw error;
    return { kind: "broken", error };
  } finally {
    // Nobody may still be reading this member when the archive is asked for the next one.
    await stream.return(undefined);
  }
}

/** Tells failures of the archive from failures of whoever reads the member. */
async function* watched(
  stream: AsyncGenerator<Uint8Array>,
  failure: { error?: unknown },
): AsyncGenerator<Uint8Array> {
  try {
    yield* stream;
  } catch (error) {
    failure.error = error;
    throw error;
  }
}

/** The digest that a member's name promises: `blobs/sha256/HEX`. */
function digestOfMember(path: string): Digest | undefined {
  const match = /^blobs\/(sha256|sha512)\/([0-9a-f]+)$/.exec(path);
  if (match === null) return undefined;
  try {
    return parseDigest(`${match[1]}:${match[2]}`);
  } catch {
    return undefined;
  }
}

/**
 * podman names layers by their DiffID. Not a promise that the format makes, so a layer is not held to it; and a wrong name
 * only gives a layer that is not the one which the image's config has there.
 */
function diffIdOfMember(path: string): Digest | undefined {
  const hex = /^([0-9a-f]{64})\.tar$/.exec(path)?.[1];
  return hex === undefined ? undefined : parseDigest(`sha256:${hex}`);
}

/** A layer that is here already, by the digest of any form of it. Its bytes in the archive need not be read. */
function knownLayer(context: ImageContext, digest: Digest): DiffId | undefined {
  return (context.store.layers.get(digest as DiffId) ?? context.store.layers.findByDigest(digest))?.diffId;
}

function labelOf(path: string): string {
  return path.replace(/\/layer\.tar$|\.tar$/, "").slice(0, 12);
}

async function peek(
  content: AsyncIterable<Uint8Array>,
  bytes: number,
): Promise<{ head: Uint8Array; stream: AsyncGenerator<Uint8Array> }> {
  const source = content[Symbol.asyncIterator]();
  const chunks: Uint8Array[] = [];
  let length = 0;
  while (length < bytes) {
    const step = await source.next();
    if (step.done === true) break;
    chunks.push(step.value);
    length += step.value.length;
  }
  async function* whole(): AsyncGenerator<Uint8Array> {
    try {
      yield* chunks.splice(0);
      for (let step = await source.next(); step.done !== true; step = await source.next()) yield step.value;
    } finally {
      await source.return?.();
    }
  }
  return { head: Buffer.concat(chunks), stream: whole() };
}

function looksLikeJson(head: Uint8Array): boolean {
  const first = head.find((byte) => byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09);
  return first === 0x7b || first === 0x5b;
}

/** A gzip or zstd stream, or a tar: by its magic, by the checksum of its first header, or empty (zeros only). */
function looksLikeLayer(head: Uint8Array): boolean {
  try {
    if (detectCompression(head) !== "none") return true;
  } catch {
    return false;
  }
  if (head.length < TAR_BLOCK) return false;
  const block = head.subarray(0, TAR_BLOCK);
  if (block.every((byte) => byte === 0)) return true;
  const stated = Number.parseInt(
    Buffer.from(block.subarray(148, 156))
      .toString("latin1")
      .replace(/[\0 ]+/g, ""),
    8,
  );
  const sum = block.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 0x20 : byte), 0);
  return stated === sum;
}
