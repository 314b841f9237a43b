import {
  bool,
  bytes,
  type Given,
  int32,
  int64,
  map,
  message,
  nested,
  type Read,
  repeated,
  text,
} from "../../../grpc/index.ts";
import { definition, platform, range, sourceInfo, timestamp } from "./op-messages.ts";

/** `moby.buildkit.v1.Control` (`api/services/control/control.proto`), as far as clients use it. */

export const empty = message({});

/** An exporter, or a cache: its type and what is said of it. */
export const typed = message({ type: text(1), attributes: map(2, text, text) });

const cacheOptions = message({ exports: repeated(nested(4, typed)), imports: repeated(nested(5, typed)) });

export const solveRequest = message({
  ref: text(1),
  definition: nested(2, definition),
  oldExporter: text(3),
  oldExporterAttributes: map(4, text, text),
  session: text(5),
  frontend: text(6),
  frontendAttributes: map(7, text, text),
  cache: nested(8, cacheOptions),
  entitlements: repeated(text(9)),
  frontendInputs: map(10, text, (number) => nested(number, definition)),
  isInternal: bool(11),
  exporters: repeated(nested(13, typed)),
});
export type SolveRequest = Read<typeof solveRequest>;

export const solveResponse = message({ exporterResponse: map(1, text, text) });

export const statusRequest = message({ ref: text(1) });

const vertex = message({
  digest: text(1),
  inputs: repeated(text(2)),
  name: text(3),
  cached: bool(4),
  started: nested(5, timestamp),
  completed: nested(6, timestamp),
  error: text(7),
});
export type Vertex = Given<typeof vertex>;

const vertexStatus = message({
  id: text(1),
  vertex: text(2),
  name: text(3),
  current: int64(4),
  total: int64(5),
  timestamp: nested(6, timestamp),
  started: nested(7, timestamp),
  completed: nested(8, timestamp),
});
export type VertexStatus = Given<typeof vertexStatus>;

const vertexLog = message({
  vertex: text(1),
  timestamp: nested(2, timestamp),
  /** 1: stdout, 2: stderr. */
  stream: int64(3),
  bytes: bytes(4),
});
export type VertexLog = Given<typeof vertexLog>;

const vertexWarning = message({
  vertex: text(1),
  level: int64(2),
  short: bytes(3),
  detail: repeated(bytes(4)),
  url: text(5),
  info: nested(6, sourceInfo),
  ranges: repeated(nested(7, range)),
});
export type VertexWarning = Given<typeof vertexWarning>;

export const statusResponse = message({
  vertexes: repeated(nested(1, vertex)),
  statuses: repeated(nested(2, vertexStatus)),
  logs: repeated(nested(3, vertexLog)),
  warnings: repeated(nested(4, vertexWarning)),
});

/** Bytes of a connection within a call. */
export const bytesMessage = message({ data: bytes(1) });

const version = message({ package: text(1), version: text(2), revision: text(3) });

const gcPolicy = message({
  all: bool(1),
  keepDuration: int64(2),
  reservedSpace: int64(3),
  filters: repeated(text(4)),
  maxUsedSpace: int64(5),
  minFreeSpace: int64(6),
});

export const workerRecord = message({
  id: text(1),
  labels: map(2, text, text),
  platforms: repeated(nested(3, platform)),
  gcPolicy: repeated(nested(4, gcPolicy)),
  version: nested(5, version),
});

export const listWorkersResponse = message({ record: repeated(nested(1, workerRecord)) });
export const infoResponse = message({ version: nested(1, version) });

export const diskUsageRequest = message({ filter: repeated(text(1)) });

export const usageRecord = message({
  id: text(1),
  mutable: bool(2),
  inUse: bool(3),
  size: int64(4),
  createdAt: nested(6, timestamp),
  lastUsedAt: nested(7, timestamp),
  usageCount: int64(8),
  description: text(9),
  recordType: text(10),
  shared: bool(11),
  parents: repeated(text(12)),
});

export const diskUsageResponse = message({ record: repeated(nested(1, usageRecord)) });

export const pruneRequest = message({
  filter: repeated(text(1)),
  all: bool(2),
  /** Nanoseconds. */
  keepDuration: int64(3),
  reservedSpace: int64(4),
  maxUsedSpace: int64(5),
  minFreeSpace: int64(6),
});

export const historyRequest = message({
  activeOnly: bool(1),
  ref: text(2),
  earlyExit: bool(3),
  filter: repeated(text(4)),
  limit: int32(5),
});

/** `google.rpc.Status`; what is in `details` only clients read. */
const any = message({ typeUrl: text(1), value: bytes(2) });
export const rpcStatus = message({ code: int32(1), message: text(2), details: repeated(nested(3, any)) });

const historyRecord = message({
  ref: text(1),
  frontend: text(2),
  frontendAttributes: map(3, text, text),
  exporters: repeated(nested(4, typed)),
  error: nested(5, rpcStatus),
  createdAt: nested(6, timestamp),
  completedAt: nested(7, timestamp),
  exporterResponse: map(9, text, text),
  cachedSteps: int32(15),
  totalSteps: int32(16),
  completedSteps: int32(17),
  warnings: int32(19),
});
export type HistoryRecord = Given<typeof historyRecord>;

/** `type`: 0 started, 1 complete, 2 deleted. */
export const historyEvent = message({ type: int32(1), record: nested(2, historyRecord) });

export const updateHistoryRequest = message({
  ref: text(1),
  pinned: bool(2),
  delete: bool(3),
  finalize: bool(4),
});
