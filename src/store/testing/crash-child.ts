import type { ImageId } from "../../oci/index.ts";
import { openStore } from "../open.ts";
import { diffIdOf, plainIngest, sourceOf } from "./ingest.ts";

// Works on a store without end, to be killed: pulls, tags, removals and collections, several at a time.
const [root = "", seed = "0"] = process.argv.slice(2);
let state = Number(seed) + 1;
/** A small generator, so that a failing seed can be tried again. */
const below = (limit: number): number => {
  state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
  return (state >> 8) % limit;
};

const store = await openStore({ root, ingest: plainIngest });
process.stdout.write("ready\n");

async function work(worker: number): Promise<never> {
  for (;;) {
    const contents = Array.from({ length: below(4) }, () => `layer ${below(8)} ${"x".repeat(3000)}`);
    const unique = [...new Set(contents)];
    const lease = store.leases.hold(`pull:${worker}`, Date.now() + 60_000);
    for (const content of unique) await store.layers.ingest(wholeSource(content), lease);
    if (unique.length > 0) store.leases.addChain(lease, unique.map(diffIdOf));
    const id = (await store.blobs.put(Buffer.from(`config over ${unique.join()}`), lease)) as ImageId;
    const manifest = await store.blobs.put(Buffer.from(`manifest ${below(20)}`), lease);
    store.images.put({
      id,
      diffIds: unique.map(diffIdOf),
      os: "linux",
      architecture: "amd64",
      variant: "",
      builtAt: null,
      names: [`docker.io/library/x:${below(6)}`],
      manifests: [manifest],
      lease,
    });
    const images = store.images.list();
    const victim = images[below(images.length + 2)];
    if (victim !== undefined) store.images.remove(victim.id);
    if (below(3) === 0) await store.collectGarbage();
  }
}

/** One chunk: the part between two bytes is tried elsewhere. */
function wholeSource(content: string): ReturnType<typeof sourceOf> {
  const source = sourceOf(content);
  return {
    ...source,
    async open(offset) {
      const bytes = Buffer.from(`g${content}`).subarray(offset);
      return (async function* () {
        yield bytes;
      })();
    },
  };
}

await Promise.all([work(1), work(2), work(3)]);
