import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeIndex, type TreeNode, unionOf } from "../layer/index.ts";
import type { DiffId } from "../oci/index.ts";
import type { LayerStack, Lease } from "../store/index.ts";
import { createKeptFiles, readingBelow } from "./context/file-content.ts";
import { EMPTY_DIGEST, type FileTree } from "./context/file-tree.ts";
import type { LayerSupply } from "./layer-supply.ts";
import type { BuilderParts } from "./parts.ts";
import { openTreeMounts, type TreeMounts } from "./run/tree-mounts.ts";
import { stackOf } from "./stage-root.ts";

/** What a build copies from and mounts, each opened once; dispose it to let go of them. */
export interface Sources extends TreeMounts {
  /** The files of a stack of layers. */
  treeOf(diffIds: readonly DiffId[]): Promise<FileTree>;
  /** Reads a file by its real path. */
  readFile(stack: LayerStack, path: string): Promise<Buffer>;
}

/** A stack that is mounted. */
interface OpenTree {
  readonly directory: string;
  readonly content: ReturnType<typeof readingBelow>;
}

/** `lease`: keeps what is mounted for them; `supply`: brings in what is not here. */
export function openSources(
  parts: Pick<BuilderParts, "store" | "view" | "spool" | "mountTree">,
  { lease, supply }: { readonly lease: Lease; readonly supply: Pick<LayerSupply, "bring"> },
): Sources {
  const stack = new AsyncDisposableStack();
  const mounts = stack.use(openTreeMounts(parts));
  const views = new Map<string, Promise<string>>();
  const trees = new Map<string, Promise<FileTree>>();
  const kept = createKeptFiles();
  const viewOf = (layers: LayerStack): Promise<string> => {
    const known = views.get(layers.chainId);
    if (known !== undefined) return known;
    // Named first, so that a crash leaves nothing unknown on disk.
    parts.store.leases.addChain(
      lease,
      layers.layers.map(({ diffId }) => diffId),
    );
    const opened = parts.view(layers).then((view) => stack.use(view).path);
    views.set(layers.chainId, opened);
    return opened;
  };
  const treeOf = async (diffIds: readonly DiffId[]): Promise<FileTree> => {
    const layers = stackOf(parts.store, diffIds);
    if (layers === null) return emptyTree();
    const root = await unionOfStack(layers);
    // Mounted only when something must be read: the index knows all but the contents.
    let opened: OpenTree | undefined;
    const open = async (): Promise<OpenTree> => {
      const directory = await viewOf(layers);
      opened ??= { directory, content: readingBelow(directory, { kept }) };
      return opened;
    };
    const digests = new Map<TreeNode, string>();
    const hash = async (path: string, node: TreeNode): Promise<string> => {
      const { content } = opened ?? (await open());
      const digest = await content.digestOf(path, node);
      digests.set(node, digest);
      return digest;
    };
    return {
      root,
      directory: async () => (await open()).directory,
      originOf: ({ layer, data, size }) => `${diffIds[layer]} ${data?.offset} ${size}`,
      read(path, node) {
        if (opened === undefined) throw new Error("the stack is not mounted");
        return opened.content.read(path, node);
      },
      digestOf: (path, node) => digests.get(node) ?? hash(path, node),
    };
  };
  return {
    pathOf: mounts.pathOf,
    async treeOf(diffIds) {
      await supply.bring(diffIds);
      const key = diffIds.join(" ");
      const known = trees.get(key);
      if (known !== undefined) return known;
      const tree = treeOf(diffIds);
      trees.set(key, tree);
      return tree;
    },
    readFile: async (layers, path) =>
      readFile(Buffer.concat([Buffer.from(`${await viewOf(layers)}/`), Buffer.from(path, "latin1")])),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

async function unionOfStack(stack: LayerStack): Promise<TreeNode> {
  const indexes = await Promise.all(
    stack.layers.map(async ({ dir }) => decodeIndex(await readFile(join(dir, "index")))),
  );
  return unionOf(indexes);
}

function emptyTree(): FileTree {
  return {
    root: unionOf([]),
    read: () => [],
    digestOf: () => EMPTY_DIGEST,
  };
}
