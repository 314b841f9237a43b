import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { lstat, mkdir, readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { codeOf, messageOf, PlyError } from "../error.ts";
import type { EventBus } from "../event/index.ts";
import { sizeOfTree } from "../linux/index.ts";
import { removeTree } from "../overlay/index.ts";
import { createHolds, DATA } from "./holds.ts";
import { checkLocalOptions } from "./local-options.ts";
import { homeOf, unmountVolume } from "./mounts.ts";
import type { VolumeRecord, Volumes } from "./volumes.ts";

/** As much of the store's `Records` as volumes need. */
export interface VolumeDocuments {
  put(key: string, value: unknown): void;
  delete(key: string): void;
  list(): { readonly key: string; readonly value: unknown }[];
}

export interface VolumesParts {
  /** `volumes/` lies in it. */
  readonly root: string;
  readonly records: VolumeDocuments;
  /** Told of volumes that come and go. */
  readonly events?: Pick<EventBus, "emit">;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
}

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;
const NAME_LENGTH_LIMIT = 255;
const REMOVED = ".removed-";

/** Opens the volumes below `root`. What a crash left half removed is taken away. */
export async function openVolumes(parts: VolumesParts): Promise<Volumes> {
  const home = join(parts.root, "volumes");
  const clock = parts.clock ?? Date.now;
  await mkdir(home, { recursive: true, mode: 0o711 });
  const volumes = new Map<string, VolumeRecord>();
  for (const { key, value } of parts.records.list())
    volumes.set(key, { ...(value as VolumeRecord), path: join(home, key, DATA) });
  for (const name of await readdir(home)) if (name.startsWith(REMOVED)) await removeTree(join(home, name));
  const users = new Map<string, Set<string>>();

  const get = (name: string): VolumeRecord => {
    const volume = volumes.get(name);
    if (volume === undefined)
      throw new PlyError("not-found", `get ${name}: no such volume`, { details: { name } });
    return volume;
  };
  const put = (volume: VolumeRecord): void => {
    parts.records.put(volume.name, volume);
    volumes.set(volume.name, volume);
  };
  const holds = createHolds({ get, put, list: () => [...volumes.values()] });
  const usersOf = (name: string): string[] => [...(users.get(name) ?? [])];
  const emit = (action: string, name: string): void =>
    parts.events?.emit({ type: "volume", action, actor: { id: name, attributes: { driver: "local" } } });
  const sizeOf = async (name: string): Promise<number> => {
    const { path, options } = get(name);
    // A server would be asked for every file of its own.
    return options?.["device"] ? 0 : sizeOfTree(path);
  };

  async function remove(name: string): Promise<void> {
    const volume = get(name);
    const inUse = usersOf(name);
    if (inUse.length > 0)
      throw new PlyError("conflict", `remove ${name}: volume is in use - [${inUse.join(", ")}]`, {
        hint: "remove these containers first",
        details: { name, usedBy: inUse },
      });
    const aside = join(home, `${REMOVED}${randomBytes(8).toString("hex")}`);
    await holds.drop(name, async () => {
      // What is mounted there is somebody else's.
      unmountVolume(volume);
      volumes.delete(name);
      parts.records.delete(name);
      // Aside first: a name that is free must be empty when it is taken again.
      await rename(homeOf(volume), aside).catch(ignoreMissing);
    });
    emit("destroy", name);
    await removeTree(aside);
  }

  return {
    async ensure({ name: given, labels = {}, options = {} }) {
      const name = given ?? randomBytes(32).toString("hex");
      const known = volumes.get(name);
      if (known !== undefined) return known;
      checkName(name);
      checkLocalOptions(name, options);
      const path = join(home, name, DATA);
      await mkdir(path, { recursive: true, mode: 0o755 });
      const volume: VolumeRecord = {
        name,
        createdAt: clock(),
        labels,
        anonymous: given === undefined,
        path,
        ...(Object.keys(options).length === 0 ? {} : { options }),
      };
      put(volume);
      emit("create", name);
      return volume;
    },
    ...holds,
    get,
    list: () => [...volumes.values()],
    remove,

    retain(name, owner) {
      const owners = users.get(name) ?? new Set();
      users.set(name, owners.add(owner));
    },
    release(name, owner) {
      const owners = users.get(name);
      owners?.delete(owner);
      if (owners?.size === 0) users.delete(name);
    },
    usersOf,

    sizeOf,

    async prune({ all, matches = () => true }) {
      const removed: string[] = [];
      let bytesReclaimed = 0;
      const isWanted = (volume: VolumeRecord): boolean => (all || volume.anonymous) && matches(volume);
      for (const { name } of [...volumes.values()].filter(isWanted)) {
        if (usersOf(name).length > 0) continue;
        const size = await sizeOf(name);
        // A container may have taken it, or somebody else removed it, while it was measured.
        if (!volumes.has(name) || usersOf(name).length > 0) continue;
        await remove(name);
        removed.push(name);
        bytesReclaimed += size;
      }
      return { removed: removed.sort(), bytesReclaimed };
    },
    async populate(name, source) {
      const { path } = get(name);
      const stat = await lstat(source).catch(() => undefined);
      if (stat === undefined || !stat.isDirectory() || (await readdir(path)).length > 0) return;
      try {
        await promisify(execFile)("cp", ["-a", "--", `${source}/.`, path]);
      } catch (error) {
        throw new PlyError(
          "internal",
          `cannot copy the image's files into volume ${name}: ${messageOf(error)}`,
          {
            cause: error,
          },
        );
      }
    },
  };
}

function checkName(name: string): void {
  if (NAME.test(name) && name.length <= NAME_LENGTH_LIMIT) return;
  throw new PlyError(
    "invalid",
    `create ${name}: ${JSON.stringify(name)} includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
  );
}

function ignoreMissing(error: unknown): void {
  if (codeOf(error) !== "ENOENT") throw error;
}
