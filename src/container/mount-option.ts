import { posix } from "node:path";
import { PlyError } from "../error.ts";
import type { ContainerMount } from "./containers.ts";
import type { HostSettings, MountWish } from "./host-settings.ts";
import { tmpfsMount } from "./tmpfs-option.ts";

const PROPAGATIONS = new Set(["private", "rprivate", "shared", "rshared", "slave", "rslave"]);
const ACCESS = new Set(["ro", "rw"]);
/** Of SELinux. */
const LABELS = new Set(["z", "Z"]);
/** Accepted and without meaning here: what Docker Desktop took. */
const CONSISTENCIES = new Set(["cached", "consistent", "delegated"]);

/** A mount as asked for; a volume without a name is an anonymous one, yet to be made. */
export type WantedMount = Omit<ContainerMount, "source"> & { readonly source: string | null };

/** Docker's `-v`: `/host:/in[:opts]`, `name:/in[:opts]`, `/in`. Throws "invalid" in Docker's words. */
export function parseBind(text: string): WantedMount {
  const parts = text.split(":");
  const spec = `invalid volume specification: '${text}'`;
  const [first = "", second, options = "", ...more] = parts;
  // Docker takes no mode where there is no source.
  const isModeOnly = parts.length === 2 && (isWordOf(second, ACCESS) || isWordOf(second, PROPAGATIONS));
  if (more.length > 0 || first === "" || isModeOnly) throw new PlyError("invalid", spec);
  const isBind = second !== undefined && first.startsWith("/");
  const kind = isBind ? "bind" : "volume";
  const wrong = (why: string) =>
    new PlyError("invalid", `${spec}: invalid mount config for type "${kind}": ${why}`);
  const target = second ?? first;
  if (target === "") throw wrong("field Target must not be empty");
  if (!target.startsWith("/")) throw wrong(`invalid mount path: '${target}' mount path must be absolute`);
  if (cleanPath(target) === "/") throw wrong("invalid specification: destination can't be '/'");
  const words = options === "" ? [] : options.split(",");
  checkMode(options, words);
  const propagation = words.find((word) => PROPAGATIONS.has(word));
  if (propagation !== undefined && !isBind) throw wrong("field BindOptions must not be specified");
  if (words.includes("nocopy") && isBind) throw wrong("field VolumeOptions must not be specified");
  // A name that is none is refused when the volume is made, in Docker's words.
  const source = second === undefined ? null : isBind ? cleanPath(first) : first;
  return {
    kind,
    source,
    target: cleanPath(target),
    readOnly: words.includes("ro"),
    propagation: propagation ?? "rprivate",
    noCopy: words.includes("nocopy"),
    ...(words.includes("idmap") ? { idMapped: true } : {}),
    ...(options === "" ? {} : { mode: options }),
  };
}

/** One word of each kind at most. */
function checkMode(mode: string, words: readonly string[]): void {
  const kinds = [ACCESS, PROPAGATIONS, LABELS, CONSISTENCIES, new Set(["nocopy"]), new Set(["idmap"])];
  const seen = words.map((word) => kinds.findIndex((kind) => kind.has(word)));
  if (seen.includes(-1) || new Set(seen).size < seen.length)
    throw new PlyError("invalid", `invalid mode: ${mode}`);
}

function isWordOf(word: string | undefined, kind: ReadonlySet<string>): boolean {
  return word !== undefined && kind.has(word);
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
  const { subpath, labels, driverOptions } = wish;
  if (subpath !== undefined && (subpath.startsWith("/") || subpath.split("/").includes("..")))
    throw wrong(`subpath must be a relative path within the ${kind}: ${subpath}`);
  if (kind === "image") {
    if (source === "") throw wrong("field Source must not be empty");
    return {
      ...common,
      kind,
      source,
      readOnly: true,
      propagation: "rprivate",
      noCopy: true,
      ...(subpath ? { subpath } : {}),
    };
  }
  if (source.includes("/")) throw wrong(`invalid volume name: ${source}`);
  return {
    ...common,
    kind,
    source: source === "" ? null : source,
    propagation: "rprivate",
    noCopy: wish.noCopy ?? false,
    ...(subpath ? { subpath } : {}),
    ...(labels === undefined ? {} : { labels }),
    ...(driverOptions === undefined ? {} : { driverOptions }),
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
  const unknown = modes.find((word) => ![...ACCESS, ...LABELS, ...CONSISTENCIES].includes(word));
  if (more.length > 0 || unknown !== undefined)
    throw new PlyError("invalid", `invalid mode in volumes-from spec: ${text}`);
  return { name, readOnly: modes.includes("ro") ? true : null };
}
