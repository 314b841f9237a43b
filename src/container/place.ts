import { randomUUID } from "node:crypto";
import { closeSync, fstatSync, openSync, statSync } from "node:fs";
import { join } from "node:path";
import { codeOf, isPlyError, PlyError } from "../error.ts";
import { openRoot, type Root } from "../files/index.ts";
import { resolveUser } from "../runtime/index.ts";
import type { ContainerRecord } from "./containers.ts";
import type { OpenPlace, PlaceOptions } from "./open-place.ts";
import type { ContainersParts } from "./parts.ts";
import { createStoppedRoots, type StoppedRootsParts } from "./root-of-stopped.ts";

export interface PlacesParts extends StoppedRootsParts, Pick<ContainersParts, "images"> {
  readonly emit: (record: ContainerRecord, action: string) => void;
}

/** Opens the files of containers, images and volumes. */
export function createPlaces(
  parts: PlacesParts,
): (name: string, options?: PlaceOptions) => Promise<OpenPlace> {
  const stopped = createStoppedRoots(parts);

  async function ofContainer(record: ContainerRecord, isAlone: boolean): Promise<OpenPlace> {
    const { id, name, config, host } = record;
    const opened = await openContainer(record, isAlone);
    const { root } = opened;
    return {
      kind: "container",
      name,
      root,
      readOnly: host.readOnlyRootfs ? "container rootfs is marked read-only" : undefined,
      async defaultUser() {
        const user = config.User ?? "";
        if (user === "") return undefined;
        const { uid, gid } = await resolveUser(`/proc/self/fd/${root.fd}`, user);
        return { uid, gid };
      },
      emit: (action) => parts.emit(parts.table.get(id)?.record ?? record, action),
      async [Symbol.asyncDispose]() {
        root[Symbol.dispose]();
        opened.close();
      },
    };
  }

  async function openContainer(
    { id }: ContainerRecord,
    isAlone: boolean,
  ): Promise<{ readonly root: Root; close(): void }> {
    // It may start or stop at any moment.
    for (;;) {
      const { record } = parts.table.find(id);
      if (record.pid > 0) {
        const root = openRunning(record, join(parts.dirOf(id), "rootfs"), isAlone);
        if (root !== undefined) return { root, close: () => undefined };
        await new Promise((resolve) => setTimeout(resolve, 5));
        continue;
      }
      const { path, close } = await stopped.open(id);
      if (path === undefined) {
        close();
        continue;
      }
      try {
        return { root: openRoot(path), close };
      } catch (error) {
        close();
        throw error;
      }
    }
  }

  return async (name, { kind, isAlone = false } = {}) => {
    if (kind === undefined || kind === "container") {
      const record = unlessNone(() => parts.table.find(name).record, kind !== undefined);
      if (record !== undefined) return ofContainer(record, isAlone);
    }
    if (kind === undefined || kind === "image") {
      const image = unlessNone(() => parts.images.resolve(name), kind !== undefined);
      if (image !== undefined) {
        const stack = await parts.images.stackOf(image.id);
        if (stack === null) throw new PlyError("not-found", `image ${name} has no files`);
        const view = await parts.snapshots.view(stack);
        const readOnly = `image ${name} cannot be changed: copy into a container and commit it`;
        return placeOf("image", name, view.path, readOnly, async () => view[Symbol.asyncDispose]());
      }
    }
    const volume = unlessNone(() => parts.volumes.get(name), kind !== undefined);
    if (volume !== undefined) {
      const holder = `copy-${randomUUID()}`;
      const path = await parts.volumes.open(name, holder);
      return placeOf("volume", name, path, undefined, () => parts.volumes.close(name, holder));
    }
    throw new PlyError("not-found", `no container, image or volume is called ${name}`, {
      hint: "a path of this host that has a colon is written ./like:this",
    });
  };
}

function placeOf(
  kind: OpenPlace["kind"],
  name: string,
  path: string,
  readOnly: string | undefined,
  close: () => Promise<void>,
): OpenPlace {
  const root = openRoot(path);
  return {
    kind,
    name,
    root,
    readOnly,
    defaultUser: async () => undefined,
    emit: () => undefined,
    async [Symbol.asyncDispose]() {
      root[Symbol.dispose]();
      await close();
    },
  };
}

/**
 * What a running container sees, all its mounts included; `isAlone`: its root without them. Undefined when it ended this moment.
 * A process number may belong to somebody else by now: what it names counts only when it is the very directory that we mounted.
 */
function openRunning({ pid, idMap }: ContainerRecord, rootfs: string, isAlone: boolean): Root | undefined {
  const mounted = statSync(rootfs, { throwIfNoEntry: false });
  if (mounted === undefined) return undefined;
  if (isAlone) return openRoot(rootfs, idMap);
  try {
    const root = openRoot(`/proc/${pid}/root`, idMap);
    const { dev, ino } = fstatSync(root.fd);
    if (dev === mounted.dev && ino === mounted.ino) return root;
    root[Symbol.dispose]();
  } catch (error) {
    const code = codeOf(error);
    if (code !== "ENOENT" && code !== "ESRCH" && code !== "EACCES") throw error;
  }
  if (!isAlive(pid)) return undefined;
  // Its first process has changed its root (chroot): the rest of its mounts cannot be found then.
  return openRoot(rootfs, idMap);
}

function isAlive(pid: number): boolean {
  try {
    closeSync(openSync(`/proc/${pid}/stat`, "r"));
    return true;
  } catch {
    return false;
  }
}

function unlessNone<T>(find: () => T, mustBe: boolean): T | undefined {
  try {
    return find();
  } catch (error) {
    if (!mustBe && isNoSuch(error)) return undefined;
    throw error;
  }
}

/** Not there, or no name that such a thing could have. */
function isNoSuch(error: unknown): boolean {
  return isPlyError(error, "not-found") || isPlyError(error, "invalid");
}
