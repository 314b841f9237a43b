import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeIndex, diffUpper, type LayerIndex, type TreeNode, unionOf } from "../layer/index.ts";
import {
  canonicalString,
  type DiffId,
  familiarString,
  type HistoryEntry,
  type ImageConfig,
  type ImageId,
} from "../oci/index.ts";
import type { LayerRecord, Lease } from "../store/index.ts";
import { applyChanges } from "./changes.ts";
import { emitImageEvent, type ImageContext } from "./context.ts";
import type { CommitOptions, CommitSource } from "./images.ts";
import { putNewImage } from "./new-image.ts";
import { stackOfLayers } from "./stack.ts";
import { tagName } from "./tag.ts";

/**
 * Makes an image of a container: its own image's config and layers, and what it changed as one layer more. As with Docker, a
 * container that changed nothing adds a step to the history but no layer. Nothing is left on failure.
 */
export async function commitContainer(
  context: ImageContext,
  source: CommitSource,
  options: CommitOptions,
): Promise<ImageId> {
  const process = applyChanges(source.config, options.changes ?? []);
  const name = options.reference === undefined ? undefined : tagName(options.reference);
  const claimed = context.owners.claim(`commit:${source.containerId}`);
  try {
    const base = await baseOf(context, source, claimed.lease);
    const layer = await commitLayer(context, source, base.rootfs.diff_ids, claimed.lease);
    const created = new Date(context.clock()).toISOString();
    const step: HistoryEntry = {
      created,
      ...(options.author ? { author: options.author } : {}),
      created_by: (source.config.Cmd ?? []).join(" "),
      ...(options.comment ? { comment: options.comment } : {}),
      ...(layer === undefined ? { empty_layer: true } : {}),
    };
    const config: ImageConfig & Record<string, unknown> = {
      ...base,
      ...(options.author ? { author: options.author } : {}),
      config: process,
      container: source.containerId,
      container_config: source.config,
      created,
      history: [...(base.history ?? []), step],
      rootfs: {
        type: "layers",
        diff_ids: layer === undefined ? base.rootfs.diff_ids : [...base.rootfs.diff_ids, layer.diffId],
      },
    };
    const record = await putNewImage(context, config, {
      lease: claimed.lease,
      names: name === undefined ? [] : [canonicalString(name)],
      ...(source.parent === null ? {} : { parentId: source.parent.id }),
    });
    claimed.end();
    if (name !== undefined)
      await emitImageEvent(context, "tag", { id: record.id, name: familiarString(name), image: record });
    return record.id;
  } catch (error) {
    claimed.end();
    await context.store.collectGarbage();
    throw error;
  }
}

/** What the new config starts from. The parent may have been removed since: its content stays while the container is there. */
async function baseOf(context: ImageContext, source: CommitSource, lease: Lease): Promise<ImageConfig> {
  if (source.parent === null)
    return {
      architecture: context.platform.architecture,
      os: context.platform.os,
      rootfs: { type: "layers", diff_ids: [] },
    };
  for (const diffId of source.parent.diffIds) context.store.leases.addLayer(lease, diffId);
  return await context.configs.get(source.parent.id);
}

/** The writable layer as a layer of the store; undefined when it holds nothing. */
async function commitLayer(
  context: ImageContext,
  source: CommitSource,
  below: readonly DiffId[],
  lease: Lease,
): Promise<LayerRecord | undefined> {
  const base = await unionBelow(context, below);
  const record = await context.store.layers.ingest(
    {
      resumable: false,
      open: async (_offset, signal) =>
        diffUpper(source.upper, {
          base,
          signal,
          ...(source.without === undefined ? {} : { without: source.without }),
          ...(source.more === undefined ? {} : { more: source.more }),
        }),
    },
    lease,
  );
  return record.entryCount === 0 ? undefined : record;
}

async function unionBelow(context: ImageContext, diffIds: readonly DiffId[]): Promise<TreeNode | null> {
  const indexes: LayerIndex[] = [];
  for (const layer of stackOfLayers(context, diffIds)?.layers ?? [])
    indexes.push(decodeIndex(await readFile(join(layer.dir, "index"))));
  return indexes.length === 0 ? null : unionOf(indexes);
}
