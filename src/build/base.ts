import { PlyError } from "../error.ts";
import {
  familiarString,
  formatPlatform,
  type Platform,
  type ProcessConfig,
  parsePlatform,
  parseReference,
} from "../oci/index.ts";
import { suggest } from "../suggest.ts";
import type { BuildStep } from "./build.ts";
import { isNameTaken, localImage } from "./local-image.ts";
import type { BaseImage, Session } from "./session.ts";
import { DEFAULT_PATH } from "./settings.ts";

/** Settings of an image from nothing, as BuildKit makes it. */
export const SCRATCH_CONFIG: ProcessConfig = { Env: [`PATH=${DEFAULT_PATH}`], WorkingDir: "/" };

/** The platform that is built for: the stage's own, the build's, or this machine's. */
export function platformOfStage(session: Session, written: string | undefined): Platform {
  if (written !== undefined) return parsePlatform(written);
  return session.platform ?? session.parts.platform;
}

/** Says which image it is, and which may be meant. */
function unreachable(
  error: PlyError,
  name: string,
  { graph, parts, options }: Session,
  { at }: BuildStep,
): PlyError {
  const stages = graph.file.stages.flatMap(({ from }) => from.name ?? []);
  const here = parts.store.images.list().flatMap(({ names }) => names);
  const [near] = suggest(name, [...stages, ...here.map((each) => familiarString(parseReference(each)))]);
  const unused = unusedImage(parts, name, options.pull === true);
  const meant = near === undefined ? error.hint : `did you mean ${near}?`;
  const hint =
    unused ??
    (stages.includes(name)
      ? `the stage ${name} begins further down: stages are built on earlier ones`
      : meant);
  return new PlyError(
    error.kind,
    error.message.split(/[\s"']+/).some((word) => word.replace(/[:,]$/, "") === name)
      ? error.message
      : `${name}: ${error.message}`,
    {
      cause: error,
      details: { ...error.details, file: at.file, line: at.start, endLine: at.end },
      ...(hint === undefined ? {} : { hint }),
    },
  );
}

/** The name is here, but not for what was asked for, or a newer one was wanted. */
function unusedImage({ images }: Session["parts"], name: string, isPulled: boolean): string | undefined {
  try {
    const { os, architecture } = images.resolve(name);
    const platform = formatPlatform({ os, architecture });
    return isPulled
      ? `${name} is here for ${platform}: without --pull it is used`
      : `${name} is here for ${platform} only`;
  } catch {
    return undefined;
  }
}

/**
 * The image of a name for a platform: the one that is here, else the registry's. It is pulled, unless there are caches
 * to find steps in: then it may be that none of its layers is needed.
 */
export async function baseImage(
  session: Session,
  name: string,
  platform: Platform | undefined,
  step: BuildStep,
): Promise<BaseImage> {
  const { images, store } = session.parts;
  const isId = /^(?:sha256:)?[0-9a-f]{12,64}$/.test(name);
  const { pull } = session.options;
  let record = pull === true && !isId ? undefined : localImage(session.parts, name, platform);
  if (record === undefined && pull === "never")
    throw new PlyError("not-found", `No such image: ${name}`, {
      hint: "--pull=never keeps it from being pulled",
    });
  if (
    record === undefined &&
    session.imports.isLazy &&
    localImage(session.parts, name, platform) === undefined
  ) {
    const base = await remoteBase(session, name, platform, step);
    session.usedImages.set(name, base);
    return base;
  }
  if (record === undefined) {
    const reference = parseReference(name);
    const credentials = await session.options.credentialsOf?.(reference.domain);
    try {
      const pulled = await images.pull(reference, {
        ...(platform === undefined ? {} : { platform }),
        keepsName: isNameTaken(session.parts, name, platform),
        ...(credentials === undefined ? {} : { credentials }),
        onProgress: (progress) => session.emit({ kind: "pull", step, progress }),
        signal: session.signal,
      });
      record = store.images.get(pulled.id);
    } catch (error) {
      if (!(error instanceof PlyError)) throw error;
      throw unreachable(error, name, session, step);
    }
    if (record === undefined) throw new PlyError("not-found", `No such image: ${name}`);
  }
  // From now on it may be removed: the build has what it needs.
  store.leases.addImage(session.lease, record.id);
  store.images.touch(record.id);
  const base = { id: record.id, config: await images.configOf(record.id) };
  session.usedImages.set(name, base);
  return base;
}

/** Asks the registry once in a build, and tells the supply where the layers are. */
async function remoteBase(
  session: Session,
  name: string,
  platform: Platform | undefined,
  step: BuildStep,
): Promise<BaseImage> {
  const { parts, options, remoteBases, supply, lease, signal } = session;
  const key = `${name} ${platform === undefined ? "" : formatPlatform(platform)}`;
  const peek = async (): Promise<BaseImage> => {
    const reference = parseReference(name);
    const credentials = await options.credentialsOf?.(reference.domain);
    const image = await parts.images.peek(reference, {
      ...(platform === undefined ? {} : { platform }),
      ...(credentials === undefined ? {} : { credentials }),
      onProgress: (progress) => session.emit({ kind: "pull", step, progress }),
      signal,
    });
    for (const layer of image.layers)
      supply.offer(layer.diffId, {
        name,
        reference,
        descriptor: layer.descriptor,
        isNeeded: true,
        fetch: (each) => image.fetchLayer(layer, lease, { signal: each }),
      });
    return image;
  };
  const known = remoteBases.get(key) ?? peek();
  remoteBases.set(key, known);
  try {
    return await known;
  } catch (error) {
    // A build that begins again asks again.
    remoteBases.delete(key);
    if (!(error instanceof PlyError)) throw error;
    throw unreachable(error, name, session, step);
  }
}
