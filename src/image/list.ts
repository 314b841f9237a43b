import { PlyError } from "../error.ts";
import { familiarMatch, type ImageConfig, parseReference } from "../oci/index.ts";
import type { ImageRecord } from "../store/index.ts";
import type { ImageContext } from "./context.ts";
import type { ImageFilter, ImageSummary } from "./images.ts";
import { resolveImage } from "./resolve.ts";
import { sizeTable } from "./sizes.ts";

/** Configs read at once the first time; later they are remembered. */
const READ_AT_ONCE = 32;

/** The images that pass the filter, newest built first. With `references`, only the names that fit are shown. */
export async function listImages(context: ImageContext, filter: ImageFilter = {}): Promise<ImageSummary[]> {
  const all = context.store.images.list();
  const accepts = recordFilter(context, filter);
  const chosen = all.map(accepts).filter((record) => record !== undefined);
  const configs = await configsOf(context, chosen);
  const sizes = sizeTable(context, all);
  const summaries: ImageSummary[] = [];
  for (const [index, record] of chosen.entries()) {
    const config = configs[index];
    // Removed while the configs were read.
    if (config === undefined || !acceptsLabels(filter, config)) continue;
    summaries.push({
      ...{ record, config, sizes: sizes(record) },
      // Looks at every container, for each image: only those who ask pay for it.
      get containers() {
        return context.containersOf(record.id);
      },
    });
  }
  return summaries.sort(
    (a, b) => (b.record.builtAt ?? 0) - (a.record.builtAt ?? 0) || compare(a.record.id, b.record.id),
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Configs in the records' order; undefined for an image that is gone by now. */
export async function configsOf(
  context: ImageContext,
  records: readonly ImageRecord[],
): Promise<(ImageConfig | undefined)[]> {
  const configs: (ImageConfig | undefined)[] = new Array(records.length);
  let next = 0;
  const read = async () => {
    for (let index = next++; index < records.length; index = next++) {
      const record = records[index];
      if (record === undefined) continue;
      try {
        configs[index] = await context.configs.get(record.id);
      } catch (error) {
        if (context.store.images.get(record.id) !== undefined) throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(READ_AT_ONCE, records.length) }, read));
  return configs;
}

/**
 * The parts of a filter that need the record only. Answers the record as it is to be shown, or undefined when it does not
 * pass. Throws not-found where `before` or `since` name no image.
 */
export function recordFilter(
  context: ImageContext,
  filter: ImageFilter,
): (record: ImageRecord) => ImageRecord | undefined {
  const before = filter.before === undefined ? undefined : resolveImage(context, filter.before).record;
  const since = filter.since === undefined ? undefined : resolveImage(context, filter.since).record;
  const { dangling, until, references } = filter;
  return (record) => {
    if (dangling !== undefined && dangling !== (record.names.length === 0)) return undefined;
    if (before !== undefined && !((record.builtAt ?? 0) < (before.builtAt ?? 0))) return undefined;
    if (since !== undefined && !((record.builtAt ?? 0) > (since.builtAt ?? 0))) return undefined;
    if (until !== undefined && clockOf(record, until.clock) > until.at) return undefined;
    if (references === undefined || references.length === 0) return record;
    const fits = (name: string) => {
      const reference = parseReference(name);
      return references.some((pattern) => familiarMatch(pattern, reference));
    };
    const names = record.names.filter(fits);
    const repoDigests = record.repoDigests.filter(fits);
    return names.length + repoDigests.length === 0 ? undefined : { ...record, names, repoDigests };
  };
}

/** The time a filter is about; an image that was never used counts from its arrival. */
export function clockOf(record: ImageRecord, clock: "built" | "arrived" | "used"): number {
  switch (clock) {
    case "built":
      return record.builtAt ?? 0;
    case "arrived":
      return record.arrivedAt;
    case "used":
      return record.lastUsedAt ?? record.arrivedAt;
    default:
      throw new PlyError("invalid", `unknown clock ${JSON.stringify(clock satisfies never)}`);
  }
}

/** `key` or `key=value`, all of `labels` and none of `notLabels`. */
export function acceptsLabels(filter: ImageFilter, config: ImageConfig): boolean {
  const own = config.config?.Labels ?? {};
  const has = (wanted: string) => {
    const equals = wanted.indexOf("=");
    if (equals < 0) return Object.hasOwn(own, wanted);
    const key = wanted.slice(0, equals);
    return Object.hasOwn(own, key) && own[key] === wanted.slice(equals + 1);
  };
  return (filter.labels ?? []).every(has) && !(filter.notLabels ?? []).some(has);
}
