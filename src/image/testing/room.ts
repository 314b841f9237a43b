import { createReadStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EngineEvent } from "../../event/index.ts";
import { openStore, type Store } from "../../store/index.ts";
import type { ImageProgress, Images } from "../images.ts";
import { type ImagesParts, openImages } from "../open-images.ts";
import { type MemoryRegistry, memoryRegistry } from "./memory-registry.ts";
import { plainIngest } from "./plain-ingest.ts";

/** Images over a real store in a temporary directory and a registry in memory. Dispose to clean up. */
export interface Room extends AsyncDisposable {
  readonly images: Images;
  readonly store: Store;
  readonly registry: MemoryRegistry;
  readonly events: EngineEvent[];
  readonly progress: ImageProgress[];
  readonly onProgress: (progress: ImageProgress) => void;
  /** Texts of the messages so far. */
  messages(): string[];
  /** Statuses so far by layer id, each once. */
  statuses(): Record<string, string[]>;
  /** Milliseconds since 1970, as the room sees it; set to move time. */
  now: number;
}

export async function openRoom(
  parts: Partial<ImagesParts> & { readonly registry?: MemoryRegistry } = {},
): Promise<Room> {
  const root = await mkdtemp(join(tmpdir(), "ply-image-"));
  const clock = { now: Date.parse("2026-05-01T00:00:00Z") };
  const store = await openStore({ root, ingest: plainIngest, clock: () => clock.now });
  const registry = parts.registry ?? memoryRegistry();
  const events: EngineEvent[] = [];
  const progress: ImageProgress[] = [];
  const images = openImages({
    store,
    events: {
      emit: (event) => void events.push({ ...event, timeNano: 0n }),
      async *subscribe() {},
    },
    snapshots: {
      materialize: async () => {},
      openTar: (layer) =>
        layer.tarSize === 0
          ? createReadStream("/dev/null")
          : createReadStream(join(layer.dir, "layer.tar"), { end: layer.tarSize - 1 }),
    },
    clock: () => clock.now,
    platform: { os: "linux", architecture: "amd64" },
    ...parts,
    registry,
  });
  return {
    images,
    store,
    registry,
    events,
    progress,
    onProgress: (item) => void progress.push(item),
    messages: () => progress.flatMap((item) => (item.kind === "message" ? [item.text] : [])),
    statuses() {
      const byId: Record<string, string[]> = {};
      for (const item of progress)
        if (item.kind === "layer") {
          const known = byId[item.id] ?? [];
          if (known.at(-1) !== item.status) byId[item.id] = [...known, item.status];
        }
      return byId;
    },
    get now() {
      return clock.now;
    },
    set now(value) {
      clock.now = value;
    },
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await rm(root, { recursive: true, force: true });
    },
  };
}
