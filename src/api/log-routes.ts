import type { ContainerLogsOptions } from "../container/index.ts";
import { PlyError } from "../error.ts";
import { encodeFrameHeader, MULTIPLEXED_STREAM, RAW_STREAM } from "../wire/index.ts";
import { type Exchange, param, sendEmpty, sendStream } from "./exchange.ts";
import { queryBoolean } from "./query.ts";
import type { ApiRoute, Service } from "./service.ts";
import { parseTimestamp } from "./timestamp.ts";

/** What containers printed, read back. */
export const logRoutes: readonly ApiRoute[] = [
  { method: "GET", path: "/containers/{name}/logs", handler: logs },
  { method: "POST", path: "/ply/containers/{name}/logs/clear", handler: clear },
];

async function logs(exchange: Exchange, { engine, clock }: Service): Promise<void> {
  const { query, signal } = exchange;
  const options = logOptions(query, clock());
  const { id, process } = engine.containers.get(param(exchange, "name"));
  const blocks = engine.containers.logs(id, options, signal);
  const isRaw = process.tty;
  const type = isRaw || exchange.apiMinor < 42 ? RAW_STREAM : MULTIPLEXED_STREAM;
  await sendStream(exchange, type, isRaw ? rawBytes(blocks) : framed(blocks), { isAhead: true });
}

/** Throws "invalid" in Docker's words. */
function logOptions(query: URLSearchParams, nowMs: number): ContainerLogsOptions {
  const stdout = queryBoolean(query, "stdout");
  const stderr = queryBoolean(query, "stderr");
  if (!stdout && !stderr)
    throw new PlyError("invalid", "Bad parameters: you must choose at least one stream");
  const since = moment(query.get("since"), nowMs);
  const until = moment(query.get("until"), nowMs);
  const tail = query.get("tail") ?? "";
  return {
    stdout,
    stderr,
    timestamps: queryBoolean(query, "timestamps"),
    details: queryBoolean(query, "details"),
    follow: queryBoolean(query, "follow"),
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
    // Docker takes whatever is no number for "all".
    ...(/^\d{1,15}$/.test(tail) ? { tail: Number(tail) } : {}),
  };
}

/** Zero is how clients say that they named no moment. */
function moment(text: string | null, nowMs: number): bigint | undefined {
  if (text === null || text === "" || text === "0") return undefined;
  return parseTimestamp(text, nowMs);
}

type Blocks = ReturnType<Service["engine"]["containers"]["logs"]>;

async function* rawBytes(blocks: Blocks): AsyncGenerator<Uint8Array> {
  for await (const chunks of blocks)
    if (chunks.length === 1 && chunks[0] !== undefined) yield chunks[0].bytes;
    else yield Buffer.concat(chunks.map(({ bytes }) => bytes));
}

/** A chunk up to this is copied beside its header; a larger one goes out as it is. */
const COPY_BELOW_BYTES = 64 * 1024;

async function* framed(blocks: Blocks): AsyncGenerator<Uint8Array> {
  for await (const chunks of blocks) {
    let small: Uint8Array[] = [];
    for (const { stream, bytes } of chunks) {
      small.push(encodeFrameHeader(stream, bytes.length));
      if (bytes.length <= COPY_BELOW_BYTES) {
        small.push(bytes);
        continue;
      }
      yield Buffer.concat(small);
      small = [];
      yield bytes;
    }
    if (small.length > 0) yield Buffer.concat(small);
  }
}

async function clear(exchange: Exchange, { engine }: Service): Promise<void> {
  await engine.containers.clearLogs(param(exchange, "name"));
  sendEmpty(exchange, 204);
}

/** The output of `attach?logs=1`: what was printed up to now, then, of a container that runs, the rest as it comes. */
export async function* loggedOutput(blocks: Blocks) {
  for await (const chunks of blocks) yield* chunks;
}
