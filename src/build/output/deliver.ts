import { PlyError } from "../../error.ts";
import type { ImageContent, Publication } from "../../image/index.ts";
import {
  type Descriptor,
  digestOf,
  encodeJson,
  familiarString,
  type ImageConfig,
  type ImageId,
} from "../../oci/index.ts";
import type { BuildResult } from "../build.ts";
import { withoutUnset } from "../overrides.ts";
import { CACHE_FIELD, carriesCache, encodeRecords } from "../remote-cache/records.ts";
import type { Session, StageResult } from "../session.ts";
import { annotationsFor, outputsOf } from "./asked-outputs.ts";
import { filesOf } from "./files-output.ts";
import type { BuildOutput } from "./output.ts";
import { provenanceOf } from "./provenance.ts";
import { squash } from "./squash.ts";

/** What was built for one platform. */
export interface BuiltStage {
  readonly session: Session;
  readonly result: StageResult;
}

interface BuiltImage extends BuiltStage {
  readonly config: ImageConfig;
}

type ImageOutput = Extract<BuildOutput, { readonly kind: "image" }>;

/**
 * Makes of what was built what was asked for: first what is handed to the client, then the image of the list, and last,
 * since it is what fails most easily, what goes to registries.
 */
export async function deliver(built: readonly BuiltStage[]): Promise<BuildResult> {
  const images: BuiltImage[] = [];
  for (const { session, result } of built) {
    const whole = await squash(session, result, (each) => imageIdOf(configOf(session, each)));
    images.push({ session, result: whole, config: configOf(session, whole) });
  }
  const first = only(images);
  const { options } = first.session;
  const outputs = outputsOf(options);
  let held: Promise<ImageContent[]> | undefined;
  const contents = () => (held ??= hold(images));
  let descriptor: Descriptor | undefined;
  for (const [n, output] of outputs.entries())
    if (output.kind === "files") await options.take?.(n, filesOf(images, output));
    else if (output.kind === "archive") descriptor = await archive(images, await contents(), { n, output });
  const isPushed = outputs.some((output) => output.kind === "image" && output.push !== undefined);
  const stored = outputs.filter((output) => output.kind === "image").filter(({ isStored }) => isStored);
  const names = stored.flatMap((output) => output.names);
  if (stored.length > 0) await store(first, names, isPushed);
  for (const output of outputs)
    if (output.kind === "image" && output.push !== undefined)
      descriptor = await push(images, await contents(), output);
  return {
    imageId: imageIdOf(first.config),
    names: names.map(familiarString),
    isStored: stored.length > 0,
    ...(descriptor === undefined ? {} : { descriptor }),
  };
}

/** Puts the image into the list. What is needed of it afterwards stays with the build. */
async function store(
  { session, config }: BuiltImage,
  references: ImageOutput["names"],
  isNeeded: boolean,
): Promise<void> {
  const { parts, options, signal } = session;
  const annotations = annotationsFor(options, "manifest", session.platform);
  const leases = parts.store.leases;
  // The list takes a lease over with what it keeps.
  const lease = isNeeded
    ? leases.hold(`${session.lease.owner}:image`, parts.clock() + STORE_MS)
    : session.lease;
  if (isNeeded) for (const diffId of config.rootfs.diff_ids) leases.addLayer(lease, diffId);
  await parts.images.create(config, {
    lease,
    references,
    signal,
    ...(annotations === undefined ? {} : { annotations }),
  });
}

/** Far more than an image takes to be made of layers that are here. */
const STORE_MS = 60 * 60 * 1000;

async function hold(images: readonly BuiltImage[]): Promise<ImageContent[]> {
  const contents: ImageContent[] = [];
  for (const { session, config } of images)
    contents.push(await session.parts.images.hold(config, session.lease));
  return contents;
}

async function archive(
  images: readonly BuiltImage[],
  contents: readonly ImageContent[],
  { n, output }: { readonly n: number; readonly output: Extract<BuildOutput, { readonly kind: "archive" }> },
): Promise<Descriptor> {
  const { session } = only(images);
  const { format } = output;
  await using made = await session.parts.images.archive(publicationOf(images, contents, output), {
    format,
    signal: session.signal,
  });
  await session.options.take?.(n, made.stream);
  return made.descriptor;
}

async function push(
  images: readonly BuiltImage[],
  contents: readonly ImageContent[],
  output: ImageOutput,
): Promise<Descriptor> {
  const { session } = only(images);
  const { credentialsOf } = session.options;
  return await session.parts.images.publish(publicationOf(images, contents, output), {
    ...(credentialsOf === undefined ? {} : { credentialsOf }),
    byDigest: output.push === "digest",
    onProgress: (progress) => session.emit({ kind: "push", progress }),
    signal: session.signal,
  });
}

function publicationOf(
  images: readonly BuiltImage[],
  contents: readonly ImageContent[],
  { names, form }: Exclude<BuildOutput, { readonly kind: "files" }>,
): Publication {
  const { options } = only(images).session;
  const indexAnnotations = annotationsFor(options, "index");
  const topAnnotations = annotationsFor(options, "index-descriptor");
  return {
    images: images.flatMap(({ session }, n) => {
      const content = contents[n];
      if (content === undefined) return [];
      const annotations = annotationsFor(options, "manifest", session.platform);
      const provenance = provenanceOf(session);
      const descriptorAnnotations = annotationsFor(options, "manifest-descriptor", session.platform);
      return [
        {
          content,
          ...(annotations === undefined ? {} : { annotations }),
          ...(descriptorAnnotations === undefined ? {} : { descriptorAnnotations }),
          ...(provenance === undefined ? {} : { attestations: [provenance] }),
        },
      ];
    }),
    names,
    ...(indexAnnotations === undefined ? {} : { indexAnnotations }),
    ...(topAnnotations === undefined ? {} : { topAnnotations }),
    ...(form === undefined ? {} : { form }),
  };
}

/** The first stands for what they all have in common. */
function only(images: readonly BuiltImage[]): BuiltImage {
  const [first] = images;
  if (first === undefined) throw new PlyError("internal", "nothing was built");
  return first;
}

function imageIdOf(config: ImageConfig): ImageId {
  return digestOf(encodeJson(config)) as ImageId;
}

function configOf({ options }: Session, built: StageResult): ImageConfig {
  const { platform, author, history } = built;
  const labels = { ...built.config.Labels, ...options.labels };
  const image: ImageConfig = {
    architecture: platform.architecture,
    os: platform.os,
    ...(platform.variant === undefined ? {} : { variant: platform.variant }),
    ...(author === undefined ? {} : { author }),
    config: Object.keys(labels).length === 0 ? built.config : { ...built.config, Labels: labels },
    created: history.at(-1)?.created ?? new Date(0).toISOString(),
    history,
    rootfs: { type: "layers", diff_ids: built.diffIds },
    ...(carriesCache(options) ? { [CACHE_FIELD]: encodeRecords(built.records, built.diffIds) } : {}),
  };
  return withoutUnset(image, options);
}
