import { posix } from "node:path";
import { PlyError } from "../error.ts";
import type { ContainerMount } from "./containers.ts";
import type { HostSettings, MountWish } from "./host-settings.ts";
import { tmpfsMount } from "./tmpfs-option.ts";

const PROPAGATIONS = new Set(["private", "rprivate", "shared", "rshared", "slave", "rslave"]);
/** Accepted and without meaning here: labels of SELinux, and what Docker Desktop took. */
const IGNORED = new Set(["z", "Z", "cached", "consistent", "delegated"]);

/** A mount as asked for; a volume without a name is an anonymous one, yet to be made. */
export type WantedMount = Omit<ContainerMount, "source"> & { readonly source: string | null };

/** Docker's `-v`: `/host:/in[:opts]`, `name:/in[:opts]`, `/in`. Throws "invalid" in Docker's words. */
export function parseBind(text: string): WantedMount {
  const parts = text.split(":");
  const wrong = (why: string) => new PlyError("invalid", `invalid volume specification: '${text}': ${why}`);
  const [first = "", second, options, ...more] = parts;
  if (more.length > 0) throw wrong("too many colons");
  const target = second === undefined ? first : second;
  if (!target.startsWith("/")) throw wrong("the path in the container must be absolute");
  const clean = posix.normalize(target).replace(/(.)\/$/, "$1");
  if (clean === "/") throw wrong("destination can't be '/'");
  const isBind = second !== undefined && first.startsWith("/");
  if (second !== undefined && first === "") throw wrong("no source");
  if (second !== undefined && !isBind && first.includes("/"))
    throw wrong("the source must be an absolute path or the name of a volume");
  let readOnly = false;
  let noCopy = false;
  let idMapped = false;
  let propagation = "rprivate";
  for (const option of options === undefined ? [] : options.split(",")) {
    if (option === "ro") readOnly = true;
    else if (option === "nocopy" && !isBind) noCopy = true;
    else if (option === "idmap" && isBind) idMapped = true;
    else if (PROPAGATIONS.has(option) && isBind) propagation = option;
    else if (option !== "rw" && !IGNORED.has(option)) throw wrong(`invalid mode: ${option}`);
  }
  const source =
    second === undefined ? null : isBind ? posix.normalize(first).replace(/(.)\/$/, "$1") : first;
  return {
    kind: isBind ? "bind" : "volume",
    source,
    target: clean,
    readOnly,
    propagation,
    noCopy,
    ...(idMapped ? { idMapped } : {}),
    ...(options === undefined ? {} : { mode: options }),
  };
}

/** `--mount` in its long form. Throws "invalid" in Docker's words. */
export function mountOf(wish: MountWish): WantedMount {
  const { kind, source, readOnly } = wish;
  const wrong = (why: string) => new PlyError("invalid", `invalid mount config for type "${kind}": ${why}`);
  if (wish.target === "") throw wrong("field Target must not be empty");
  if (!wish.target.startsWith("/"))
    throw wrong(`invalid mount path: '${wish.target}' mount path must be absolute`);
  const target = cleanPath(wish.target);
  if (target === "/") throw wrong("invalid specification: destination can't be '/'");
  if (kind === "tmpfs") {
    if (source !== "") throw wrong("field Source must not be specified");
    return tmpfsMount(target, {
      readOnly,
      ...(wish.tmpfsSize ? { size: wish.tmpfsSize } : {}),
      ...(wish.tmpfsMode ? { mode: wish.tmpfsMode } : {}),
    });
  }
  const propagation = wish.propagation || "rprivate";
  const common = { target, readOnly, mode: "" };
  if (kind === "bind") {
    if (source === "") throw wrong("field Source must not be empty");
    if (!source.startsWith("/")) throw wrong(`invalid mount path: '${source}' mount path must be absolute`);
    if (!PROPAGATIONS.has(propagation)) throw wrong(`invalid propagation mode: ${propagation}`);
    return {
      ...common,
      kind,
      source: cleanPath(source),
      propagation,
      noCopy: true,
      ...(wish.nonRecursive ? { nonRecursive: true } : {}),
      ...(wish.writableBelow ? { writableBelow: true } : {}),
      ...(wish.createSource ? {} : { mustExist: true }),
    };
  }
  if (source.includes("/")) throw wrong(`invalid volume name: ${source}`);
  const { subpath, labels } = wish;
  if (subpath !== undefined && (subpath.startsWith("/") || subpath.split("/").includes("..")))
    throw wrong(`subpath must be a relative path within the volume: ${subpath}`);
  return {
    ...common,
    kind,
    source: source === "" ? null : source,
    propagation: "rprivate",
    noCopy: wish.noCopy ?? false,
    ...(subpath ? { subpath } : {}),
    ...(labels === undefined ? {} : { labels }),
  };
}

function cleanPath(path: string): string {
  return posix.normalize(path).replace(/(.)\/$/, "$1");
}

/**
 * All that was asked for; what other containers lend (`--volumes-from`) where nothing of its own lies, and the
 * image's volumes where nothing lies at all. Throws "invalid" for two at one place.
 */
export function wantedMounts(
  given: { readonly binds: readonly string[]; readonly settings?: HostSettings },
  imageVolumes: readonly string[],
  lent: readonly ContainerMount[] = [],
): WantedMount[] {
  const { settings = {} } = given;
  const mounts = new Map<string, WantedMount>();
  const own = [
    ...given.binds.map(parseBind),
    ...(settings.mounts ?? []).map(mountOf),
    ...Object.entries(settings.tmpfs ?? {}).map(([target, options]) => tmpfsMount(target, { options })),
  ];
  for (const mount of own) {
    if (mounts.has(mount.target)) throw new PlyError("invalid", `Duplicate mount point: ${mount.target}`);
    mounts.set(mount.target, mount);
  }
  for (const mount of lent) if (!mounts.has(mount.target)) mounts.set(mount.target, mount);
  for (const target of imageVolumes) {
    const mount = parseBind(posix.join("/", target));
    if (!mounts.has(mount.target)) mounts.set(mount.target, mount);
  }
  return [...mounts.values()];
}

/** `name[:ro|rw]` of `--volumes-from`. Throws "invalid" in Docker's words. */
export function parseVolumesFrom(text: string): { readonly name: string; readonly readOnly: boolean | null } {
  const [name = "", mode = "", ...more] = text.split(":");
  if (name === "") throw new PlyError("invalid", "invalid volumes-from spec: no container is named");
  const modes = mode === "" ? [] : mode.split(",");
  const unknown = modes.find((word) => !["ro", "rw", ...IGNORED].includes(word));
  if (more.length > 0 || unknown !== undefined)
    throw new PlyError("invalid", `invalid mode in volumes-from spec: ${text}`);
  return { name, readOnly: modes.includes("ro") ? true : null };
}
