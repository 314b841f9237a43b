import { PlyError } from "../error.ts";
import type { IdMap } from "../linux/index.ts";
import { type SubordinateRange, subordinateMap, subordinateRanges } from "../runtime/index.ts";
import type { HostOptions } from "./containers.ts";

/** Who has the ranges of `default`, the first that has any: ours, Docker's, Podman's. */
const DEFAULT_OWNERS = ["ply", "dockremap", "containers"] as const;
/** Whose ranges `auto` divides up. */
const AUTO_OWNERS = ["containers", "ply"] as const;
/** Ids of a container that asks for none of its own: those that images have, and nobody (65534). */
const AUTO_SIZE = 65_536;

/** Which users of the host a new container's users are. */
export interface UserNamespaces {
  /**
   * Undefined: the host's own. `taken`: the maps of other containers, which `auto` keeps clear of. Throws
   * "invalid" for a mode that is none, for a user without ranges, and for what cannot be had together.
   */
  mapFor(host: HostOptions, taken: readonly IdMap[]): Promise<IdMap | undefined>;
}

/** `remap`: the engine's setting, for containers that say nothing: "" (none), `default`, `user`, `user:group`. */
export function createUserNamespaces(remap: string): UserNamespaces {
  const mapOf = async (mode: string, taken: readonly IdMap[]): Promise<IdMap | undefined> => {
    if (mode === "host") return undefined;
    const auto = /^auto(?::size=(\d{1,10}))?$/.exec(mode);
    if (auto !== null) return freeMap(Number(auto[1] ?? AUTO_SIZE), taken);
    const [, owner = ""] = /^remap(?:[:=](.+))?$/.exec(mode) ?? [undefined, remap];
    if (mode !== "" && !/^remap([:=]|$)/.test(mode))
      throw new PlyError("invalid", `invalid userns mode: ${mode}`, {
        hint: "host, remap, remap:USER[:GROUP], auto or auto:size=N",
      });
    if (owner === "" && mode === "") return undefined;
    return remapOf(owner || remap || "default");
  };
  return {
    async mapFor(host, taken) {
      const idMap = await mapOf(host.settings?.usernsMode ?? "", taken);
      if (idMap !== undefined) checkTogether(host);
      return idMap;
    },
  };
}

/** The map of the engine's setting; throws as {@link UserNamespaces.mapFor} does, at the engine's start. */
export async function remapOf(owner: string): Promise<IdMap> {
  if (owner !== "default") return subordinateMap(owner);
  for (const name of DEFAULT_OWNERS) {
    const { uids, gids } = subordinateRanges(name);
    if (uids.length > 0 && gids.length > 0) return subordinateMap(name);
  }
  throw new PlyError("invalid", "this host has no subordinate ids for containers", {
    hint: "echo ply:100000:65536 | tee -a /etc/subuid /etc/subgid",
  });
}

async function freeMap(size: number, taken: readonly IdMap[]): Promise<IdMap> {
  if (size < 1) throw new PlyError("invalid", `invalid userns mode: a size of ${size}`);
  for (const name of AUTO_OWNERS) {
    const { uids, gids } = subordinateRanges(name);
    const uid = freeStart(uids, size, taken, "uids");
    const gid = freeStart(gids, size, taken, "gids");
    if (uid !== undefined && gid !== undefined)
      return {
        uids: [{ inside: 0, outside: uid, size }],
        gids: [{ inside: 0, outside: gid, size }],
      };
  }
  throw new PlyError("invalid", `this host has no ${size} subordinate ids left for --userns=auto`, {
    hint: "echo containers:2147483648:1073741824 | tee -a /etc/subuid /etc/subgid",
  });
}

/** The first start at which `size` ids of the pool are nobody's. */
function freeStart(
  pool: readonly SubordinateRange[],
  size: number,
  taken: readonly IdMap[],
  kind: "uids" | "gids",
): number | undefined {
  const used = taken.flatMap((map) => map[kind]).sort((one, other) => one.outside - other.outside);
  for (const range of pool) {
    let start = range.start;
    for (const { outside, size: length } of used)
      if (outside < start + size && outside + length > start) start = outside + length;
    if (start + size <= range.start + range.size) return start;
  }
  return undefined;
}

function checkTogether({ privileged, networkMode, settings = {} }: HostOptions): void {
  const refuse = (words: string) =>
    new PlyError("invalid", words, { hint: "--userns=host gives up the user namespace" });
  if (privileged)
    throw refuse(
      "privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when running privileged mode",
    );
  if (networkMode === "host")
    throw refuse("cannot share the host's network namespace when user namespaces are enabled");
  if (settings.pidMode === "host")
    throw refuse("cannot share the host PID namespace when user namespaces are enabled");
}
