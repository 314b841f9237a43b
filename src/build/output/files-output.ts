import { openRoot, pack } from "../../files/index.ts";
import { formatPlatform } from "../../oci/index.ts";
import { TAR_END } from "../../tar/index.ts";
import type { Session, StageResult } from "../session.ts";
import type { BuildOutput } from "./output.ts";

/** The files that were built, as a tar; of several platforms, each in a directory called as BuildKit calls it (`linux_amd64`). */
export async function* filesOf(
  images: readonly { readonly session: Session; readonly result: StageResult }[],
  { isSplit }: Extract<BuildOutput, { readonly kind: "files" }>,
): AsyncGenerator<Uint8Array, void> {
  const named = images.map(({ session, result }) => {
    const as = isSplit ? formatPlatform(result.platform).replaceAll("/", "_") : "";
    return { session, result, as };
  });
  // In the order of a walk.
  for (const { session, result, as } of named.sort((a, b) => (a.as < b.as ? -1 : 1))) {
    const tree = await session.sources.treeOf(result.diffIds);
    const directory = await tree.directory?.();
    if (directory === undefined) continue;
    using root = openRoot(directory);
    yield* pack(root, "/", { as, isPart: true, signal: session.signal });
  }
  yield TAR_END;
}
