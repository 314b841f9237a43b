import { readTar, TAR_END, tarHeader, tarPadding } from "../../tar/index.ts";
import { rewritten, type Times } from "./layer-plan.ts";

/** The same archive with the times of its entries rewritten; sparse files are written out. */
export async function* withTimes(
  tar: AsyncIterable<Uint8Array>,
  times: Times,
): AsyncGenerator<Uint8Array, void> {
  for await (const { entry, content } of readTar(tar)) {
    const { extents: _extents, ...fields } = entry;
    yield tarHeader({ ...fields, ...rewritten(entry.mtimeSeconds, entry.mtimeNanos, times) });
    if (entry.type !== "file") continue;
    yield* content;
    yield tarPadding(entry.size);
  }
  yield TAR_END;
}
