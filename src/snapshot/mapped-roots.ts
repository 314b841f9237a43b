import { chmodSync, chownSync, closeSync, lstatSync, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { PlyError } from "../error.ts";
import { failedWith, type IdMap, openUserNamespace, outsideId } from "../linux/index.ts";
import { type MappedOverlay, mountMappedOverlay } from "../overlay/index.ts";

/** No image has files of this id, so that overlayfs, which works as the host's root, can have it inside. */
const OVERLAYFS_ID = 0xffff_fffe;

/** Roots of containers in user namespaces of their own. */
export interface MappedRoots extends AsyncDisposable {
  /** Mounts the overlay of the container directory `dir`, and lets the container's root reach it. */
  mount(dir: string, overlay: MappedOverlay, idMap: IdMap): Promise<void>;
}

/** `root`: the state directory; containers' directories are in `containers/` there. */
export function createMappedRoots(root: string): MappedRoots {
  // One namespace per map, made when it is first needed.
  const namespaces = new Map<string, Promise<number>>();
  let isLetIn = false;

  const namespaceOf = (idMap: IdMap): Promise<number> => {
    const key = JSON.stringify(idMap);
    let namespace = namespaces.get(key);
    if (namespace === undefined) {
      const overlayfs = { inside: OVERLAYFS_ID, outside: 0, size: 1 };
      namespace = openUserNamespace({ uids: [...idMap.uids, overlayfs], gids: [...idMap.gids, overlayfs] });
      namespaces.set(key, namespace);
      namespace.catch(() => namespaces.delete(key));
    }
    return namespace;
  };

  return {
    async mount(dir, overlay, idMap) {
      const userNamespace = await namespaceOf(idMap);
      if (!isLetIn) letIn(root);
      isLetIn = true;
      // Through the map, a group from outside is nobody's, and what is below out of reach.
      chownSync(dir, 0, 0);
      try {
        mountMappedOverlay(overlay, { userNamespace, scratch: join(dir, "mapped") });
      } catch (error) {
        throw explained(error, root);
      }
      // The runtime finds the root as the container's root user, not as ours.
      chownSync(dir, 0, outsideId(idMap.gids, 0) ?? 0);
      chmodSync(dir, 0o710);
    },
    async [Symbol.asyncDispose]() {
      for (const namespace of namespaces.values()) await namespace.then(closeSync, () => undefined);
    },
  };
}

/**
 * Makes `containers/` passable for everybody (each directory in it lets one group in) and what is beside it not.
 * Throws "unsupported" when a directory above keeps others out: that is not ours to change.
 */
function letIn(root: string): void {
  const containers = join(root, "containers");
  for (const name of readdirSync(root)) {
    const path = join(root, name);
    const { mode } = lstatSync(path);
    if (path !== containers && (mode & 0o077) !== 0) chmodSync(path, mode & 0o7700);
  }
  for (const path of [containers, root]) chmodSync(path, 0o711);
  for (let path = dirname(root); ; path = dirname(path)) {
    if ((statSync(path).mode & 0o001) === 0)
      throw new PlyError("unsupported", `user namespaces: ${path} keeps the users of containers out`, {
        hint: `chmod o+x ${path}, or put --root elsewhere`,
      });
    if (path === "/") return;
  }
}

function explained(error: unknown, root: string): unknown {
  if (!failedWith(error, "EINVAL") && !failedWith(error, "ENOSYS")) return error;
  return new PlyError("unsupported", `the filesystem of ${root} cannot be mounted with other owners`, {
    hint: "user namespaces need id-mapped mounts: ext4, xfs or btrfs, and Linux 5.19 or newer; or use --userns=host",
    cause: error,
  });
}
