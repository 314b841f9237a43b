import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { isPlyError } from "../error.ts";
import { openRoot } from "../files/index.ts";
import { failedWith, isGone, MNT, MS, mount, openInRoot, umount } from "../linux/index.ts";
import type { SnapshotDriver } from "../snapshot/index.ts";
import type { Volumes } from "../volume/index.ts";
import type { ContainerMount, ContainerRecord } from "./containers.ts";
import type { Live } from "./live.ts";
import type { MountHolds } from "./mount-holds.ts";
import { type Mountpoint, makeMountpoint, removeMountpoints } from "./mountpoint.ts";
import type { ContainerDocument, ContainerTable } from "./table.ts";

const O_PATH = 0o10000000;

export interface StoppedRootsParts {
  readonly table: ContainerTable;
  readonly liveOf: (id: string) => Live;
  readonly snapshots: SnapshotDriver;
  readonly volumes: Volumes;
  readonly holds: MountHolds;
  readonly dirOf: (id: string) => string;
  readonly report: (message: string, error: unknown) => void;
}

/** The root of a container without a process, with its volumes and binds where they belong, for as long as somebody looks at it. */
export interface StoppedRoots {
  /** Where it is mounted; undefined when the container runs by now. Call `close` once, whatever happened. */
  open(id: string): Promise<{ readonly path: string | undefined; close(): void }>;
}

interface Session {
  users: number;
  readonly ready: PromiseWithResolvers<string | undefined>;
  readonly idle: PromiseWithResolvers<void>;
}

/**
 * A session takes the container's turn until its last user has gone: neither a start nor a removal comes between. Later users join
 * the one that is there, so that a copy from a container into itself does not wait for itself.
 */
export function createStoppedRoots(parts: StoppedRootsParts): StoppedRoots {
  const sessions = new Map<string, Session>();

  function begin(id: string): Session {
    const session: Session = { users: 0, ready: Promise.withResolvers(), idle: Promise.withResolvers() };
    session.ready.promise.catch(() => undefined);
    sessions.set(id, session);
    parts
      .liveOf(id)
      .inTurn(() => hold(id, session))
      .catch((error: unknown) => {
        session.ready.reject(error);
        if (sessions.get(id) === session) sessions.delete(id);
      });
    return session;
  }

  async function hold(id: string, session: Session): Promise<void> {
    const document = parts.table.find(id);
    if (document.record.pid > 0) {
      sessions.delete(id);
      session.ready.resolve(undefined);
      return;
    }
    const dir = parts.dirOf(id);
    const isEphemeral = document.record.host.autoRemove;
    const { strata } = document;
    const { path, upper } = await parts.snapshots.prepare(dir, document.stack, { isEphemeral, strata });
    if (document.upper === null) parts.table.put({ ...document, upper });
    const made: Mountpoint[] = [];
    const mounted: number[] = [];
    try {
      await parts.holds.hold(document.record);
      await mountAll(path, upper, document, made, mounted);
      session.ready.resolve(path);
      await session.idle.promise;
    } finally {
      try {
        for (const fd of mounted.reverse()) unmountAt(fd);
        await parts.snapshots.release(dir);
        removeMountpoints(upper, made);
        await parts.holds.letGo(document.record);
      } catch (error) {
        parts.report(`container ${id}: unmounting its root`, error);
      }
    }
  }

  async function mountAll(
    rootfs: string,
    upper: string,
    document: ContainerDocument,
    made: Mountpoint[],
    mounted: number[],
  ): Promise<void> {
    const mounts = [...(document.record.mounts ?? [])].sort((a, b) => (a.target < b.target ? -1 : 1));
    using root = openRoot(rootfs);
    const known = [...document.mountpoints];
    for (const given of mounts) {
      using source = openSource(given, parts, document.record);
      if (source === undefined) continue;
      const isInside = mounts.some(({ target }) => given.target.startsWith(`${target}/`));
      // What lies in another mount is no place of this container's root: it is there, or it is not.
      if (!isInside) {
        const kind = fstatSync(source.fd).isDirectory() ? "directory" : "file";
        made.push(...makeMountpoint(rootfs, given.target, kind));
      }
      // A crash in the middle leaves nothing: the next engine takes these away.
      if (made.length > 0)
        parts.table.put({ ...parts.table.find(document.record.id), upper, mountpoints: [...known, ...made] });
      const fd = bindAt(root.fd, given, source.fd);
      if (fd !== undefined) mounted.push(fd);
    }
  }

  return {
    async open(id) {
      const session = sessions.get(id) ?? begin(id);
      session.users++;
      let isOpen = true;
      const close = (): void => {
        if (!isOpen) return;
        isOpen = false;
        session.users--;
        if (session.users > 0) return;
        if (sessions.get(id) === session) sessions.delete(id);
        session.idle.resolve();
      };
      try {
        return { path: await session.ready.promise, close };
      } catch (error) {
        close();
        throw error;
      }
    },
  };
}

/** Undefined: there is nothing to mount (a source that does not exist yet, a volume that is gone, a tmpfs). */
function openSource(
  mount: ContainerMount,
  { volumes, holds }: Pick<StoppedRootsParts, "volumes" | "holds">,
  record: ContainerRecord,
): (Disposable & { readonly fd: number }) | undefined {
  try {
    const { kind, source, subpath } = mount;
    if (kind === "tmpfs") return undefined;
    const path =
      kind === "volume"
        ? volumes.get(source).path
        : kind === "image"
          ? holds.imagePath(record, mount)
          : source;
    let fd = openSync(path, O_PATH);
    if (subpath) {
      const whole = fd;
      try {
        fd = openInRoot(whole, subpath, O_PATH);
      } finally {
        closeSync(whole);
      }
    }
    return { fd, [Symbol.dispose]: () => closeSync(fd) };
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** Mounts at a place in the root, whoever moves links about; returns a descriptor of the mount. */
function bindAt(
  root: number,
  { target, readOnly, nonRecursive }: ContainerMount,
  source: number,
): number | undefined {
  const through = (fd: number): string => `/proc/self/fd/${fd}`;
  let below: number;
  try {
    below = openInRoot(root, target, O_PATH);
  } catch (error) {
    if (isPlyError(error, "not-found")) return undefined;
    throw error;
  }
  try {
    mount(through(source), through(below), "", MS.BIND | (nonRecursive ? 0 : MS.REC));
  } finally {
    closeSync(below);
  }
  const fd = openInRoot(root, target, O_PATH | constants.O_NOFOLLOW);
  try {
    // Else what is unmounted here would be unmounted at its source too.
    mount("", through(fd), "", MS.PRIVATE | MS.REC);
    if (readOnly) mount("", through(fd), "", MS.REMOUNT | MS.BIND | MS.RDONLY);
    return fd;
  } catch (error) {
    unmountAt(fd);
    throw error;
  }
}

function unmountAt(fd: number): void {
  try {
    umount(`/proc/self/fd/${fd}`, MNT.DETACH);
  } catch (error) {
    if (!failedWith(error, "EINVAL")) throw error;
  } finally {
    closeSync(fd);
  }
}
