import {
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
} from "node:fs";
import { join } from "node:path";
import { PlyError, throwIfAborted } from "../../error.ts";
import { openRoot, pack, unpack } from "../../files/index.ts";
import { asArray, asObject, asSize, asString, asStrings, parseJsonObject } from "../../oci/index.ts";
import { removeTree } from "../../overlay/index.ts";
import { TAR_END, tarHeader, tarPadding } from "../../tar/index.ts";
import { addMissing } from "../copy/merge-trees.ts";
import type { CacheMount, CacheMounts } from "./cache-mounts.ts";

/** First in an archive of caches: what is in its directories `1`, `2` and so on. */
const LIST_NAME = "ply-cache.json";
const LIST_BYTES = 16 * 1024 * 1024;
const VERSION = 1;
const MAX_CACHES = 10_000;

/** What an archive says of a cache. */
type Told = Pick<
  CacheMount,
  "id" | "uid" | "gid" | "mode" | "from" | "copy" | "targets" | "step" | "sharing" | "createdAt"
>;

/**
 * Caches as one tar archive. Each is read while no step has it. Throws "not-found" before the first byte.
 */
export async function* exportCaches(
  mounts: CacheMounts,
  keys: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const all = new Map(mounts.list().map((mount) => [mount.key, mount]));
  const told = keys.map((key): Told => {
    const mount = all.get(key);
    if (mount === undefined) throw new PlyError("not-found", `no such cache: ${key}`);
    const { id, uid, gid, mode, from, copy, targets, step, sharing, createdAt } = mount;
    return {
      id,
      uid,
      gid,
      mode,
      ...(from === undefined ? {} : { from }),
      copy,
      targets,
      step,
      sharing,
      createdAt,
    };
  });
  const list = Buffer.from(`${JSON.stringify({ version: VERSION, caches: told }, null, 2)}\n`);
  yield tarHeader({ path: LIST_NAME, type: "file", mode: 0o644, size: list.length });
  yield list;
  yield tarPadding(list.length);
  for (const [n, key] of keys.entries()) {
    using held = await mounts.read(key, signal);
    using root = openRoot(held.directory);
    yield* pack(root, ".", { as: String(n + 1), isPart: true, keepHoles: true, signal });
  }
  yield TAR_END;
}

export interface ImportOptions {
  /** The id that it gets: needed for an archive that is none of ours, refused where ours has several. */
  readonly id?: string;
  /** What is there already and not in the archive stays. */
  readonly merge: boolean;
  readonly signal: AbortSignal;
}

/**
 * Takes caches in from an archive of {@link exportCaches}, or any tar as the directory of one. Nothing gets out of their
 * directories, device nodes are left out. Each cache is replaced (or added to) at once and wholly, when the whole archive
 * was read. Throws "invalid", "corrupt", "limit", "conflict" while a step has it.
 */
export async function importCaches(
  mounts: CacheMounts,
  archive: AsyncIterable<Uint8Array>,
  { id, merge, signal }: ImportOptions,
): Promise<CacheMount["key"][]> {
  const staged = mounts.stage();
  mkdirSync(staged, { mode: 0o755 });
  try {
    using root = openRoot(staged);
    await unpack(root, ".", archive, {
      keepKinds: false,
      owner: "archive",
      links: "refuse",
      devices: "leave out",
      signal,
    });
    const keys: string[] = [];
    for (const [told, directory] of contentsOf(staged, id)) {
      throwIfAborted(signal);
      const place = mounts.stage();
      renameSync(directory, place);
      try {
        const prepare = (before: string | undefined) => {
          if (merge && before !== undefined) addMissing(before, place);
        };
        keys.push(await mounts.adopt(told, place, prepare));
      } catch (error) {
        await removeTree(place);
        throw error;
      }
    }
    return keys;
  } finally {
    await removeTree(staged);
  }
}

/** The caches of an unpacked archive and where they lie. */
function contentsOf(staged: string, id: string | undefined): (readonly [Told, string])[] {
  const list = readList(staged);
  if (list === undefined) {
    if (id === undefined || id === "")
      throw new PlyError("invalid", "the archive does not say which cache it is", {
        hint: "name it: --id ID (what `id=` of the mount says, else its target)",
      });
    const { mode, uid, gid } = { mode: 0o755, uid: 0, gid: 0 };
    const told = {
      id,
      uid,
      gid,
      mode,
      copy: 1,
      targets: [],
      step: "",
      sharing: "shared",
      createdAt: Date.now(),
    };
    return [[told as Told, staged]];
  }
  const ids = new Set(list.map((told) => told.id));
  if (id !== undefined && ids.size > 1)
    throw new PlyError(
      "invalid",
      `the archive has ${ids.size} caches (${[...ids].join(", ")}), which keep their ids`,
    );
  const places = list.map((_told, n) => join(staged, String(n + 1)));
  for (const [n, place] of places.entries())
    if (lstatSync(place, { throwIfNoEntry: false })?.isDirectory() !== true)
      throw new PlyError("invalid", `the archive has no directory ${n + 1} for the cache ${list[n]?.id}`);
  return list.map((told, n) => [{ ...told, ...(id === undefined ? {} : { id }) }, places[n] ?? ""]);
}

function readList(staged: string): Told[] | undefined {
  // Only beside nothing else but what it tells of: a cache may have a file of that name.
  if (!readdirSync(staged).every((name) => name === LIST_NAME || /^[1-9]\d*$/.test(name))) return undefined;
  const path = join(staged, LIST_NAME);
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat?.isFile() !== true) return undefined;
  if (stat.size > LIST_BYTES) throw new PlyError("limit", `${LIST_NAME} has ${stat.size} bytes`);
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const { version, caches } = parseJsonObject(readFileSync(fd), LIST_NAME, LIST_BYTES);
    if (version !== VERSION)
      throw new PlyError(
        "unsupported",
        `the archive's version is ${String(version)}, this ply knows ${VERSION}`,
      );
    return asArray(caches, `${LIST_NAME}: caches`, MAX_CACHES).map(toldOf);
  } finally {
    closeSync(fd);
  }
}

function toldOf(value: unknown): Told {
  const at = `${LIST_NAME}: a cache`;
  const { id, uid, gid, mode, from, copy, targets, step, sharing, createdAt } = asObject(value, at);
  if (sharing !== "shared" && sharing !== "private" && sharing !== "locked")
    throw new PlyError("invalid", `${at}: unknown sharing`);
  return {
    id: asString(id, `${at}: id`),
    uid: asSize(uid, `${at}: uid`),
    gid: asSize(gid, `${at}: gid`),
    mode: asSize(mode, `${at}: mode`),
    copy: Math.max(1, asSize(copy, `${at}: copy`)),
    ...(from === undefined ? {} : { from: asString(from, `${at}: from`) }),
    targets: asStrings(targets, `${at}: targets`, 1000),
    step: asString(step, `${at}: step`),
    sharing,
    createdAt: asSize(createdAt, `${at}: createdAt`),
  };
}
