import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { PlyError } from "../error.ts";
import { decodeIndex, lookup, type TreeNode, unionOf } from "../layer/index.ts";
import type { DiffId } from "../oci/index.ts";
import { shownPath } from "../tar/index.ts";
import type { ImageContext } from "./context.ts";
import type { ImageFile } from "./images.ts";
import { resolveImage } from "./resolve.ts";
import { stackOfLayers } from "./stack.ts";

/**
 * The union of an image's layers as a container sees it, in byte order of the paths, each with the layer it comes
 * from. `below` names a directory or one file; throws "not-found" when the union has no such path. Reads the
 * layers' indexes only: nothing is mounted.
 */
export async function listFiles(context: ImageContext, name: string, below = "/"): Promise<ImageFile[]> {
  const { record } = resolveImage(context, name);
  const stack = stackOfLayers(context, record.diffIds);
  if (stack === null) return [];
  const indexes = await Promise.all(
    stack.layers.map(async ({ dir }) => decodeIndex(await readFile(join(dir, "index")))),
  );
  const path = Buffer.from(below)
    .toString("latin1")
    .split("/")
    .filter((part) => part !== "")
    .join("/");
  const start = lookup(unionOf(indexes), path);
  if (start === undefined)
    throw new PlyError("not-found", `no ${below} in image ${name}`, {
      details: { image: record.id, path: below },
    });
  const files: ImageFile[] = [];
  collect(files, start, path, record.diffIds);
  return files;
}

function collect(files: ImageFile[], node: TreeNode, path: string, diffIds: readonly DiffId[]): void {
  files.push({
    path: `/${shownPath(path)}`,
    type: node.type,
    mode: node.mode,
    uid: node.uid,
    gid: node.gid,
    size: node.size,
    mtimeSeconds: node.mtimeSeconds,
    linkTarget: shownPath(node.linkTarget),
    layer: node.implicit ? null : node.layer,
    diffId: node.implicit ? null : (diffIds[node.layer] ?? null),
  });
  if (node.children === null) return;
  const names = [...node.children.keys()].sort();
  for (const name of names) {
    const child = node.children.get(name);
    if (child !== undefined) collect(files, child, path === "" ? name : `${path}/${name}`, diffIds);
  }
}
