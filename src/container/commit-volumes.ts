import { randomUUID } from "node:crypto";
import { statSync } from "node:fs";
import { basename, dirname } from "node:path";
import { openRoot, pack } from "../files/index.ts";
import { OPAQUE_MARKER } from "../layer/index.ts";
import { resolveInRoot } from "../runtime/index.ts";
import { byteString, tarHeader } from "../tar/index.ts";
import type { Volumes } from "../volume/index.ts";
import type { ContainerMount, ContainerRecord } from "./containers.ts";
import type { Mountpoint } from "./mountpoint.ts";

/** The content of a container's volumes as members of a layer, at the places where it has them. */
export interface CommittedVolumes extends AsyncDisposable {
  readonly more: AsyncIterable<Uint8Array>;
  /** What the container's own root has at these places, which it does not see, and the places made for other mounts. */
  readonly without: ReadonlySet<string>;
}

/** Holds the volumes until it is disposed. */
export async function openVolumesToCommit(
  volumes: Volumes,
  { mounts = [] }: ContainerRecord,
  mountpoints: readonly Mountpoint[],
): Promise<CommittedVolumes> {
  const holder = `commit-${randomUUID()}`;
  // What lies in another follows it.
  const wanted = mounts
    .filter(({ kind }) => kind === "volume")
    .sort((a, b) => (a.target < b.target ? -1 : 1));
  const names = wanted.map(({ source }) => source);
  const close = async () => {
    for (const name of names) await volumes.close(name, holder);
  };
  try {
    for (const name of names) await volumes.open(name, holder);
  } catch (error) {
    await close();
    throw error;
  }
  const targets = wanted.map(({ target }) => byteString(target.slice(1)));
  const others = mountpoints.map(({ path }) => byteString(path));
  return {
    more: membersOf(volumes, wanted),
    // A directory on the way to a volume stays, made for it or not.
    without: new Set([
      ...targets,
      ...others.filter((path) => !targets.some((target) => target.startsWith(`${path}/`))),
    ]),
    [Symbol.asyncDispose]: close,
  };
}

async function* membersOf(
  volumes: Volumes,
  wanted: readonly ContainerMount[],
): AsyncGenerator<Uint8Array, void> {
  for (const { source, target, subpath } of wanted) {
    const { path } = volumes.get(source);
    const top = subpath === undefined ? path : resolveInRoot(path, `/${subpath}`);
    const as = target.slice(1);
    // Nothing of the image shows through.
    const isDirectory = statSync(top).isDirectory();
    if (isDirectory) yield tarHeader({ path: `${byteString(as)}/${OPAQUE_MARKER}`, type: "file", mode: 0 });
    using root = openRoot(isDirectory ? top : dirname(top));
    yield* pack(root, isDirectory ? "." : basename(top), { as, isPart: true });
  }
}
