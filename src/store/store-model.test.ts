import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import type { ImageId } from "../oci/index.ts";
import { chainIdsOf, digestOf } from "../oci/index.ts";
import { openStore } from "./open.ts";
import type { Store } from "./store.ts";
import { diffIdOf, plainIngest, plainTar, sourceOf } from "./testing/ingest.ts";

/** What a user does to a store. Small numbers, so that operations meet each other's leftovers. */
type Step =
  | { readonly do: "put"; readonly config: number; readonly layers: readonly number[]; readonly tag: number }
  | { readonly do: "pull"; readonly owner: number; readonly layer: number; readonly finishes: boolean }
  | { readonly do: "end"; readonly owner: number }
  | { readonly do: "tag" | "addImage"; readonly tag: number; readonly config: number }
  | { readonly do: "untag"; readonly tag: number }
  | { readonly do: "remove"; readonly config: number }
  | { readonly do: "leave"; readonly config: number }
  | { readonly do: "reopen" }
  | { readonly do: "collect" | "wait" };

const small = fc.nat({ max: 4 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant("put" as const),
    config: small,
    layers: fc.uniqueArray(small, { maxLength: 3 }),
    tag: small,
  }),
  fc.record({ do: fc.constant("pull" as const), owner: small, layer: small, finishes: fc.boolean() }),
  fc.record({ do: fc.constant("end" as const), owner: small }),
  fc.record({ do: fc.constantFrom("tag" as const, "addImage" as const), tag: small, config: small }),
  fc.record({ do: fc.constant("untag" as const), tag: small }),
  fc.record({ do: fc.constantFrom("remove" as const, "leave" as const), config: small }),
  fc.constantFrom<Step>({ do: "collect" }, { do: "reopen" }, { do: "wait" }),
);

const HOUR = 3_600_000;
const tagName = (tag: number) => `docker.io/library/x:${tag}`;

/** The rules, in memory: who holds what. */
class Model {
  /** config text → its layers. The layers of a config never change. */
  readonly images = new Map<string, readonly string[]>();
  readonly tags = new Map<string, string>();
  /** `pull:` leases: layers, and when they end. */
  readonly pulls = new Map<string, { layers: Set<string>; until: number }>();
  /** `container:` leases: config text → its layers. */
  readonly containers = new Map<string, readonly string[]>();

  /** What a collection and an opening do first. */
  expire(now: number): void {
    for (const [owner, pull] of this.pulls) if (pull.until <= now) this.pulls.delete(owner);
  }

  needed(): { layers: Set<string>; blobs: Set<string>; chains: Set<string> } {
    const layers = new Set<string>();
    const blobs = new Set<string>();
    const chains = new Set<string>();
    for (const [config, contents] of [...this.images, ...this.containers]) {
      blobs.add(config);
      for (const content of contents) layers.add(content);
      if (contents.length > 0) chains.add(chainIdsOf(contents.map(diffIdOf)).at(-1) ?? "");
    }
    for (const pull of this.pulls.values()) for (const content of pull.layers) layers.add(content);
    return { layers, blobs, chains };
  }
}

/** The text of a config says its layers, as a real one does. */
const configOf = (config: number, layers: readonly number[]) => `config ${config} over ${layers.join(",")}`;

test("whatever is done, what is needed stays and what is not goes", async () => {
  const base = await mkdtemp(join(tmpdir(), "ply-model-"));
  try {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        await runSteps(join(base, `${run++}`), steps);
      }),
      { numRuns: 40 },
    );
  } finally {
    await rm(base, { recursive: true, force: true });
  }
});

async function runSteps(root: string, steps: readonly Step[]): Promise<void> {
  const clock = { now: 1_000_000 };
  const openIt = () => openStore({ root, ingest: plainIngest, clock: () => clock.now });
  let store = await openIt();
  const model = new Model();
  const configs = new Map<number, string>();
  try {
    for (const each of steps) {
      if (each.do === "reopen") {
        await store[Symbol.asyncDispose]();
        store = await openIt();
        model.expire(clock.now);
      } else await apply(store, model, configs, clock, each);
    }
    await store.collectGarbage();
    model.expire(clock.now);
    await compare(store, model);
  } finally {
    await store[Symbol.asyncDispose]();
    await rm(root, { recursive: true, force: true });
  }
}

async function apply(
  store: Store,
  model: Model,
  configs: Map<number, string>,
  clock: { now: number },
  step: Exclude<Step, { do: "reopen" }>,
): Promise<void> {
  const idOf = (config: number) => digestOf(configs.get(config) ?? "none") as ImageId;
  switch (step.do) {
    case "put": {
      const text = configOf(step.config, step.layers);
      const contents = step.layers.map((layer) => `layer ${layer}`);
      model.expire(clock.now);
      const lease = store.leases.hold("load:x", clock.now + HOUR);
      // All at once, with a collection in the middle of it.
      await Promise.all([
        ...contents.map((content) => store.layers.ingest(sourceOf(content), lease)),
        store.blobs.put(Buffer.from(text), lease),
        store.collectGarbage(),
      ]);
      if (contents.length > 0) store.leases.addChain(lease, contents.map(diffIdOf));
      await store.collectGarbage();
      store.images.put({
        id: digestOf(text) as ImageId,
        diffIds: contents.map(diffIdOf),
        os: "linux",
        architecture: "amd64",
        variant: "",
        builtAt: null,
        names: [tagName(step.tag)],
        lease,
      });
      configs.set(step.config, text);
      model.images.set(text, contents);
      model.tags.set(tagName(step.tag), text);
      return;
    }
    case "pull": {
      const owner = `pull:${step.owner}`;
      const content = `layer ${step.layer}`;
      const lease = store.leases.hold(owner, clock.now + HOUR);
      const pull = model.pulls.get(owner) ?? { layers: new Set<string>(), until: 0 };
      model.pulls.set(owner, { layers: pull.layers, until: clock.now + HOUR });
      const isHere = store.layers.get(diffIdOf(content)) !== undefined;
      const failing = sourceOf(content, {
        gate: async () => {
          if (!step.finishes) throw new Error("line cut");
        },
      });
      await store.layers.ingest(failing, lease).catch((error: unknown) => {
        if (step.finishes || isHere) throw error;
      });
      if (step.finishes || isHere) pull.layers.add(content);
      return;
    }
    case "end":
      store.leases.end(`pull:${step.owner}`);
      model.pulls.delete(`pull:${step.owner}`);
      return;
    case "tag": {
      const text = configs.get(step.config);
      if (text === undefined || !model.images.has(text)) return;
      const before = store.images.tag(tagName(step.tag), idOf(step.config));
      const expected = model.tags.get(tagName(step.tag));
      assert.equal(before, expected === undefined ? undefined : digestOf(expected));
      model.tags.set(tagName(step.tag), text);
      return;
    }
    case "untag":
      assert.equal(store.images.untag(tagName(step.tag)), model.tags.delete(tagName(step.tag)));
      return;
    case "addImage": {
      const text = configs.get(step.config);
      const layers = text === undefined ? undefined : model.images.get(text);
      if (text === undefined || layers === undefined) return;
      store.leases.addImage(store.leases.hold(`container:${text}`), idOf(step.config));
      model.containers.set(text, layers);
      return;
    }
    case "leave": {
      const text = configs.get(step.config) ?? "";
      store.leases.end(`container:${text}`);
      model.containers.delete(text);
      return;
    }
    case "remove": {
      const text = configs.get(step.config) ?? "";
      store.images.remove(idOf(step.config));
      model.images.delete(text);
      for (const [tag, target] of model.tags) if (target === text) model.tags.delete(tag);
      return;
    }
    case "collect":
      model.expire(clock.now);
      await store.collectGarbage();
      return;
    case "wait":
      clock.now += HOUR / 2;
      return;
    default:
      throw new Error(`unhandled ${JSON.stringify(step satisfies never)}`);
  }
}

async function compare(store: Store, model: Model): Promise<void> {
  const { layers, blobs, chains } = model.needed();
  const hexes = (texts: Iterable<string>) => [...texts].map((text) => digestOf(text).slice(7)).sort();
  assert.deepEqual((await readdir(join(store.root, "layers"))).sort(), hexes(layers));
  assert.deepEqual((await readdir(join(store.root, "blobs/sha256"))).sort(), hexes(blobs));
  assert.deepEqual(
    store.images
      .list()
      .flatMap((image) => image.names.map((name) => [name, image.id]))
      .sort(),
    [...model.tags].map(([name, text]) => [name, digestOf(text)]).sort(),
  );
  assert.equal(store.images.list().length, model.images.size);
  let known: ReadonlySet<string> = new Set();
  const report = await store.check({
    repair: false,
    openTar: plainTar,
    foreignOrphans: async (found) => {
      known = found;
      return [];
    },
  });
  assert.deepEqual(report.problems, []);
  assert.deepEqual([...known].sort(), [...chains].sort());
}
