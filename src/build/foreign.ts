import type { SourceRange } from "../dockerfile/index.ts";
import { PlyError } from "../error.ts";
import { resolveInTree } from "../layer/index.ts";
import { type DiffId, formatPlatform, normalizePlatform, type Platform } from "../oci/index.ts";
import { byteString } from "../tar/index.ts";
import type { Session, StageWork } from "./session.ts";
import { DEFAULT_PATH } from "./settings.ts";
import { stackOf } from "./stage-root.ts";

/** What the kernel looks at to tell who runs a program. */
const HEAD_BYTES = 256;

/**
 * Looks whether this machine can run a command of a stage for another platform, by the program itself: an image may say
 * what it is not. Throws "unsupported" when it cannot, and what to do about it.
 */
export async function checkRunnable(
  work: StageWork,
  args: readonly string[],
  diffIds: readonly DiffId[],
): Promise<void> {
  const { parts } = work.session;
  const [own, wanted] = [parts.platform, work.platform].map(normalizePlatform);
  if (own?.architecture === wanted?.architecture) return;
  const head = await headOf(work, args[0] ?? "", diffIds);
  // What is no program at all, or not there, fails in its own words.
  if (head === undefined || parts.emulation.isNative(head) !== false) return;
  const interpreter = parts.emulation.find(head);
  if (interpreter?.isOpened === true) return;
  const platform = formatPlatform(work.platform);
  if (interpreter !== undefined) {
    if (resolveInTree(await work.root.tree(), byteString(interpreter.path)).node !== undefined) return;
    throw new PlyError(
      "unsupported",
      `this machine cannot run ${platform} binaries in a container: ${interpreter.path} is registered without the flag F, so it would have to be in the image`,
      { hint: "register it anew with F: apt-get install --reinstall qemu-user-static" },
    );
  }
  throw new PlyError("unsupported", `this machine cannot run ${platform} binaries`, {
    hint: "install qemu-user-static (binfmt): apt-get install qemu-user-static; or let RUN stand in a stage FROM --platform=$BUILDPLATFORM and compile for $TARGETPLATFORM there",
  });
}

/** The first bytes of a command's program; undefined where there is none. */
async function headOf(
  { session, config, root }: StageWork,
  program: string,
  diffIds: readonly DiffId[],
): Promise<Buffer | undefined> {
  const path = config.Env?.find((entry) => entry.startsWith("PATH="))?.slice("PATH=".length) || DEFAULT_PATH;
  const places = program.includes("/") ? [program] : path.split(":").map((place) => `${place}/${program}`);
  const tree = await root.tree();
  const stack = stackOf(session.parts.store, diffIds);
  for (const place of places) {
    const found = resolveInTree(tree, byteString(place));
    if (found.node?.type !== "file" || stack === null) continue;
    return (await session.sources.readFile(stack, found.path)).subarray(0, HEAD_BYTES);
  }
  return undefined;
}

/** Of a base image for another machine that nobody asked for, in Docker's words. */
export function warnOfPlatform({ parts, options, emit }: Session, image: Platform, at: SourceRange): void {
  // The checks say it too.
  if (options.checks === true) return;
  const [own, its] = [parts.platform, image].map(normalizePlatform);
  if (own?.os === its?.os && own?.architecture === its?.architecture) return;
  emit({
    kind: "warning",
    message: `The requested image's platform (${formatPlatform(image)}) does not match the detected host platform (${formatPlatform(parts.platform)}) and no specific platform was requested`,
    at,
  });
}
