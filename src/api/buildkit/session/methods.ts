import {
  bigint64,
  bytes,
  int32,
  int64,
  map,
  message,
  method,
  nested,
  text,
  uint32,
} from "../../../grpc/index.ts";

/** What clients answer on a session (moby/buildkit, session/**.proto; tonistiigi/fsutil, types/*.proto). */

/** Paths are bytes: names of files need not be UTF-8. */
export const Stat = message({
  path: bytes(1),
  /** Of Go's `os.FileMode`. */
  mode: uint32(2),
  uid: uint32(3),
  gid: uint32(4),
  size: int64(5),
  /** Nanoseconds since 1970. */
  modTime: bigint64(6),
  linkName: bytes(7),
  devMajor: int64(8),
  devMinor: int64(9),
  xattrs: map(10, text, bytes),
});

export const PACKET = { stat: 0, request: 1, data: 2, end: 3, error: 4 } as const;

export const Packet = message({
  /** One of {@link PACKET}. */
  type: int32(1),
  /** Of a file to come; without it, there are no more. */
  stat: nested(2, Stat),
  /** A file's place among those that were told of, from 0. */
  id: uint32(3),
  /** Of a file's content; none at its end. Of an error, its words. */
  data: bytes(4),
});

const Bytes = message({ data: bytes(1) });
const Nothing = message({});

export const diffCopy = method("/moby.filesync.v1.FileSync/DiffCopy", Packet, Packet);
const SEND = "/moby.filesync.v1.FileSend/DiffCopy";
/** Gives a directory to the client. */
export const sendCopy = method(SEND, Packet, Packet);
/** Gives a file to the client. */
export const sendBytes = method(SEND, Bytes, Bytes);
/** What a content store has, in pieces (containerd, services/content/v1). */
export const readContent = method(
  "/containerd.services.content.v1.Content/Read",
  message({ digest: text(1), offset: int64(2), size: int64(3) }),
  message({ offset: int64(1), data: bytes(2) }),
);
export const pull = method("/moby.upload.v1.Upload/Pull", Bytes, Bytes);
export const credentials = method(
  "/moby.filesync.v1.Auth/Credentials",
  message({ host: text(1) }),
  message({ username: text(1), secret: text(2) }),
);
export const getSecret = method(
  "/moby.buildkit.secrets.v1.Secrets/GetSecret",
  message({ id: text(1), annotations: map(2, text, text) }),
  message({ data: bytes(1) }),
);
export const checkAgent = method("/moby.sshforward.v1.SSH/CheckAgent", message({ id: text(1) }), Nothing);
export const forwardAgent = method("/moby.sshforward.v1.SSH/ForwardAgent", Bytes, Bytes);
