import { type Deflater, zlibDeflater } from "../compress/index.ts";
import { PlyError } from "../error.ts";
import type { EventBus } from "../event/index.ts";
import { hostPlatform, type ImageId, type Platform } from "../oci/index.ts";
import type { RegistryClient } from "../registry/index.ts";
import type { Store } from "../store/index.ts";
import { commitContainer } from "./commit.ts";
import { openCompressedSizes } from "./compressed-sizes.ts";
import { openConfigs } from "./configs.ts";
import { putContent, readContent } from "./content.ts";
import type { ImageContext, StackDriver, TransferLimits } from "./context.ts";
import { createImage } from "./create.ts";
import { leasedContainers } from "./delete-image.ts";
import { inspectDistribution } from "./distribution.ts";
import { listFiles } from "./files.ts";
import { imageHistory } from "./history.ts";
import type { Images } from "./images.ts";
import { importImage } from "./import.ts";
import { inspectImage } from "./inspect.ts";
import { openLeaseOwners } from "./lease-owners.ts";
import { listImages } from "./list.ts";
import { loadImages } from "./load.ts";
import { peekImage } from "./peek.ts";
import { fitsPlatform, platformOf, wrongPlatform } from "./platform-match.ts";
import { pruneImages } from "./prune.ts";
import { archivePublication, holdImage } from "./publication.ts";
import { pushPublication } from "./publish.ts";
import { pullAllTags, pullImage } from "./pull.ts";
import { pushAllTags, pushImage } from "./push.ts";
import { removeImage } from "./remove.ts";
import { resolveImage } from "./resolve.ts";
import { saveImages } from "./save.ts";
import { useStack } from "./stack.ts";
import { tagImage } from "./tag.ts";
import { diskUsage } from "./usage.ts";

/** What the image room works with; all stay the caller's. */
export interface ImagesParts {
  readonly store: Store;
  readonly registry: RegistryClient;
  /** The storage driver, or as much of it as images need. */
  readonly snapshots: StackDriver;
  readonly events: EventBus;
  /** Ids of the containers made from an image. Absent: those that hold a lease `container:ID` on it, which protect it anyway. */
  readonly containersOf?: (id: ImageId) => readonly string[];
  /** Tells running containers, whose images force does not remove either. Absent: none runs. */
  readonly isRunning?: (containerId: string) => boolean;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
  /** What images are chosen for unless a call says otherwise. Absent: this machine's. */
  readonly platform?: Platform;
  readonly limits?: Partial<TransferLimits>;
  /** How gzip is made. Absent: by zlib. */
  readonly deflater?: Deflater;
}

/** As Docker's defaults, but for pulls: three, since two keep the cores of a small machine busy and one waits for its line. */
const LIMITS: TransferLimits = { layersAtOnce: 3, pushesAtOnce: 5, tagsAtOnce: 4 };

export function openImages(parts: ImagesParts): Images {
  const clock = parts.clock ?? Date.now;
  const context: ImageContext = {
    store: parts.store,
    registry: parts.registry,
    snapshots: parts.snapshots,
    events: parts.events,
    configs: openConfigs(parts.store.blobs),
    compressed: openCompressedSizes(parts.store.layers),
    deflater: parts.deflater ?? zlibDeflater,
    owners: openLeaseOwners(parts.store.leases, clock),
    limits: { ...LIMITS, ...parts.limits },
    platform: parts.platform ?? hostPlatform(),
    clock,
    containersOf: parts.containersOf ?? ((id) => leasedContainers(parts.store, id)),
    isRunning: parts.isRunning ?? (() => false),
  };
  return {
    resolve(name, { platform } = {}) {
      const { record } = resolveImage(context, name);
      if (platform !== undefined && !fitsPlatform(platform, platformOf(record)))
        throw new PlyError("not-found", wrongPlatform(name, platformOf(record), platform), {
          details: { name },
        });
      return record;
    },
    configOf: (id) => context.configs.get(id),
    pull: (reference, options) => pullImage(context, reference, options),
    peek: (reference, options) => peekImage(context, reference, options),
    pullAllTags: (reference, options) => pullAllTags(context, reference, options),
    push: (reference, options) => pushImage(context, reference, options),
    pushAllTags: (reference, options) => pushAllTags(context, reference, options),
    list: (filter) => listImages(context, filter),
    inspect: (name) => inspectImage(context, name),
    history: (name) => imageHistory(context, name),
    files: (name, below) => listFiles(context, name, below),
    tag: (source, target) => tagImage(context, source, target),
    remove: (name, options) => removeImage(context, name, options),
    prune: (options) => pruneImages(context, options),
    save: (names, options) => saveImages(context, names, options),
    load: (archive, options) => loadImages(context, archive, options),
    import: (tar, options) => importImage(context, tar, options),
    commit: (source, options) => commitContainer(context, source, options),
    create: (config, options) => createImage(context, config, options),
    hold: (config, lease) => holdImage(context, config, lease),
    archive: (publication, options) => archivePublication(context, publication, options),
    publish: (publication, options) => pushPublication(context, publication, options),
    diskUsage: () => diskUsage(context),
    distribution: (reference, options) => inspectDistribution(context, reference, options),
    readContent: (place, options) => readContent(context, place, options),
    putContent: (place, content, options) => putContent(context, place, content, options),
    stackOf: (id) => useStack(context, id),
  };
}
