import { isPlyError, PlyError } from "../error.ts";
import { type Platform, type ProcessConfig, parsePlatform, parseReference } from "../oci/index.ts";
import type { ImageRecord } from "../store/index.ts";
import type { BuildStep } from "./build.ts";
import type { Session } from "./session.ts";
import { DEFAULT_PATH } from "./settings.ts";

/** Settings of an image from nothing, as BuildKit makes it. */
export const SCRATCH_CONFIG: ProcessConfig = { Env: [`PATH=${DEFAULT_PATH}`], WorkingDir: "/" };

/** The platform that is built for: the stage's own, the build's, or this machine's. */
export function platformOfStage(session: Session, written: string | undefined): Platform {
  if (written !== undefined) return parsePlatform(written);
  return session.platform ?? session.parts.platform;
}

/** The image of a name for a platform: the one that is here, else pulled. */
export async function baseImage(
  session: Session,
  name: string,
  platform: Platform | undefined,
  step: BuildStep,
): Promise<ImageRecord> {
  const { images, store } = session.parts;
  const wanted = platform === undefined ? {} : { platform };
  const here = (): ImageRecord | undefined => {
    try {
      return images.resolve(name, wanted);
    } catch (error) {
      if (isPlyError(error, "not-found")) return undefined;
      throw error;
    }
  };
  const isId = /^(?:sha256:)?[0-9a-f]{12,64}$/.test(name);
  let record = session.options.pull && !isId ? undefined : here();
  if (record === undefined) {
    const reference = parseReference(name);
    const credentials = session.options.credentialsOf?.(reference.domain);
    try {
      await images.pull(reference, {
        ...wanted,
        ...(credentials === undefined ? {} : { credentials }),
        onProgress: (progress) => session.emit({ kind: "pull", step, progress }),
        signal: session.signal,
      });
    } catch (error) {
      if (!(error instanceof PlyError)) throw error;
      throw new PlyError(error.kind, error.message, {
        cause: error,
        details: { ...error.details, file: step.at.file, line: step.at.start },
        hint: error.hint ?? `${step.at.file}:${step.at.start} begins with this image`,
      });
    }
    record = here();
    if (record === undefined) throw new PlyError("not-found", `No such image: ${name}`);
  }
  // From now on it may be removed: the build has what it needs.
  store.leases.addImage(session.lease, record.id);
  store.images.touch(record.id);
  return record;
}
