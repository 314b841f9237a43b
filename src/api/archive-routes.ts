import { posix } from "node:path";
import { decompress } from "../compress/index.ts";
import type { OpenPlace, PlaceOptions } from "../container/index.ts";
import { isPlyError, PlyError } from "../error.ts";
import {
  absolute,
  type FileStat,
  isOnRootMount,
  listDirectory,
  pack,
  statPath,
  unpack,
} from "../files/index.ts";
import {
  type DockerPathStat,
  encodePathStat,
  GO_MODE,
  PATH_STAT_HEADER,
  type PlyPlaceEntry,
} from "../wire/index.ts";
import { bodyStream, type Exchange, param, sendEmpty, sendJson, sendStream } from "./exchange.ts";
import { queryBoolean, queryRequired } from "./query.ts";
import type { ApiRoute, Handler, Service } from "./service.ts";

/**
 * Files in and out of containers, as Docker has it, and under `/ply/places/` the same for whatever has files and a name:
 * a container, an image, a volume.
 */
export const archiveRoutes: readonly ApiRoute[] = [
  { method: "HEAD", path: "/containers/{name}/archive", handler: inPlace(stat, { kind: "container" }) },
  { method: "GET", path: "/containers/{name}/archive", handler: inPlace(get, { kind: "container" }) },
  { method: "PUT", path: "/containers/{name}/archive", handler: inPlace(put, { kind: "container" }) },
  {
    method: "GET",
    path: "/containers/{name}/export",
    handler: inPlace(exportAll, { kind: "container", isAlone: true }),
  },
  { method: "HEAD", path: "/ply/places/{name:.*}/archive", handler: inPlace(stat) },
  { method: "GET", path: "/ply/places/{name:.*}/archive", handler: inPlace(get) },
  { method: "PUT", path: "/ply/places/{name:.*}/archive", handler: inPlace(put) },
  { method: "GET", path: "/ply/places/{name:.*}/list", handler: inPlace(list) },
];

type PlaceHandler = (exchange: Exchange, place: OpenPlace) => Promise<void> | void;

function inPlace(handler: PlaceHandler, options: PlaceOptions = {}): Handler {
  return async (exchange: Exchange, { engine }: Service) => {
    const name = param(exchange, "name");
    await using place = await engine.containers.openPlace(name, options);
    try {
      await handler(exchange, place);
    } catch (error) {
      throw inDockersWords(error, place, name);
    }
  };
}

function inDockersWords(error: unknown, { kind, readOnly }: OpenPlace, name: string): unknown {
  if (!isPlyError(error)) return error;
  const { path, missing, code } = error.details;
  if (missing === true)
    return new PlyError("not-found", `Could not find the file ${String(path)} in ${kind} ${name}`, {
      cause: error,
      details: error.details,
    });
  if (code === "EROFS") return readOnlyError(readOnly ?? "mounted volume is marked read-only", error);
  return error;
}

function readOnlyError(message: string, cause?: unknown): PlyError {
  return new PlyError("denied", message, cause === undefined ? {} : { cause });
}

function stat(exchange: Exchange, { root, emit }: OpenPlace): void {
  const found = statPath(root, queryRequired(exchange.query, "path"));
  emit("archive-path");
  exchange.response.setHeader(PATH_STAT_HEADER, encodePathStat(dockerPathStat(found)));
  sendEmpty(exchange, 200);
}

async function get(exchange: Exchange, { root, emit }: OpenPlace): Promise<void> {
  const path = queryRequired(exchange.query, "path");
  const found = statPath(root, path);
  emit("archive-path");
  exchange.response.setHeader(PATH_STAT_HEADER, encodePathStat(dockerPathStat(found)));
  const archive = pack(root, path, {
    as: posix.basename(absolute(path)) || "/",
    keepHoles: queryBoolean(exchange.query, "holes"),
    signal: exchange.signal,
  });
  await sendStream(exchange, "application/x-tar", archive, { isAhead: true });
}

async function put(exchange: Exchange, place: OpenPlace): Promise<void> {
  const { query } = exchange;
  const path = queryRequired(query, "path");
  const { root, readOnly } = place;
  if (readOnly !== undefined && (place.kind === "image" || isOnRootMount(root, path)))
    throw readOnlyError(readOnly);
  const user = queryBoolean(query, "copyUIDGID") ? await place.defaultUser() : undefined;
  await unpack(root, absolute(path), decompress(bodyStream(exchange)), {
    keepKinds: queryBoolean(query, "noOverwriteDirNonDir"),
    owner: user ?? "archive",
    links: "follow",
    signal: exchange.signal,
  });
  place.emit("extract-to-dir");
  sendEmpty(exchange, 200);
}

async function exportAll(exchange: Exchange, { root, emit }: OpenPlace): Promise<void> {
  emit("export");
  const archive = pack(root, "/", { as: "", sameMount: true, signal: exchange.signal });
  await sendStream(exchange, "application/octet-stream", archive, { isAhead: true });
}

function list(exchange: Exchange, { root }: OpenPlace): void {
  const entries = listDirectory(root, exchange.query.get("path") || "/");
  const body: PlyPlaceEntry[] = entries.map(({ mtimeNs, ...entry }) => ({
    ...entry,
    mtime: formatNanos(mtimeNs),
  }));
  sendJson(exchange, 200, body);
}

const NANOS = 1_000_000_000n;

/** RFC 3339 with as many decimals as it takes, as Go has it. */
function formatNanos(time: bigint): string {
  const nanos = ((time % NANOS) + NANOS) % NANOS;
  const seconds = new Date(Number((time - nanos) / 1_000_000n)).toISOString().replace(/\.\d+Z$/, "");
  const fraction = nanos === 0n ? "" : `.${String(nanos).padStart(9, "0").replace(/0+$/, "")}`;
  return `${seconds}${fraction}Z`;
}

/** What `docker cp` asks first. */
function dockerPathStat({ name, type, mode, size, mtimeNs, leadsTo }: FileStat): DockerPathStat {
  const kinds: Readonly<Record<FileStat["type"], number>> = {
    file: 0,
    directory: GO_MODE.directory,
    symlink: GO_MODE.symlink,
    fifo: GO_MODE.fifo,
    socket: GO_MODE.socket,
    block: GO_MODE.device,
    char: GO_MODE.device + GO_MODE.char,
  };
  const special =
    ((mode & 0o4000) !== 0 ? GO_MODE.setuid : 0) +
    ((mode & 0o2000) !== 0 ? GO_MODE.setgid : 0) +
    ((mode & 0o1000) !== 0 ? GO_MODE.sticky : 0);
  return {
    name,
    size,
    mode: kinds[type] + special + (mode & 0o777),
    mtime: formatNanos(mtimeNs),
    linkTarget: leadsTo,
  };
}
