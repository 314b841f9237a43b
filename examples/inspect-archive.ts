/**
 * Explains an image without an engine: config, layers, and every file with the layer it comes from.
 *   node examples/inspect-archive.ts image.tar               what docker, podman, skopeo or ply saved
 *   node examples/inspect-archive.ts localhost:5000/app:1    an image in a registry
 */
import { createReadStream, existsSync } from "node:fs";
import { buffer } from "node:stream/consumers";
import { decompress } from "../src/compress/index.ts";
import { createEntryCollector, type LayerIndex, type TreeNode, unionOf } from "../src/layer/index.ts";
import * as oci from "../src/oci/index.ts";
import { dockerConfigCredentials, openRegistry, type RegistryClient } from "../src/registry/index.ts";
import { readTar, type TarEntry } from "../src/tar/index.ts";

type Bytes = AsyncIterable<Uint8Array>;
/** The config's bytes, and what opens each layer, bottom first. */
type Image = { readonly config: Uint8Array; readonly layers: readonly (() => Promise<Bytes>)[] };

/** An archive of either layout; its members are read where they lie. */
async function imageInArchive(file: string): Promise<Image> {
  const members = new Map<string, TarEntry>();
  for await (const { entry } of readTar(createReadStream(file)))
    members.set(entry.path.replace(/^\.\//, ""), entry);
  const open = async (path: string): Promise<Bytes> => {
    const entry = members.get(path);
    if (entry === undefined) throw new Error(`${file} has no ${path}`);
    return createReadStream(file, { start: entry.dataOffset, end: entry.dataOffset + entry.size - 1 });
  };
  const read = async (path: string): Promise<Buffer> => buffer(await open(path));
  if (members.has("manifest.json")) {
    const [first] = oci.asArray(JSON.parse(String(await read("manifest.json"))), "manifest.json", 1000);
    const { Config, Layers } = oci.asObject(first, "manifest.json[0]");
    const paths = oci.asStrings(Layers, "Layers", 1000);
    return { config: await read(oci.asString(Config, "Config")), layers: paths.map((it) => () => open(it)) };
  }
  const at = ({ digest }: { digest: oci.Digest }): string => `blobs/${digest.replace(":", "/")}`;
  const { config, layers } = await manifestBelow(await read("index.json"), (digest) => read(at({ digest })));
  return { config: await read(at(config)), layers: layers.map((layer) => () => open(at(layer))) };
}

async function imageInRegistry(registry: RegistryClient, name: string): Promise<Image> {
  const reference = oci.withDefaultTag(oci.parseReference(name));
  const get = async (at: oci.Reference): Promise<Uint8Array> => (await registry.fetchManifest(at)).bytes;
  const byDigest = (digest: oci.Digest): Promise<Uint8Array> => get(oci.withDigest(reference, digest));
  const { config, layers } = await manifestBelow(await get(reference), byDigest);
  return {
    config: await registry.fetchBlob(reference, config),
    layers: layers.map((layer) => () => registry.openBlob(reference, layer, 0)),
  };
}

/** Through indexes to the manifest for this machine. */
async function manifestBelow(bytes: Uint8Array, get: (digest: oci.Digest) => Promise<Uint8Array>) {
  let parsed = oci.parseManifest(bytes);
  while (parsed.kind === "index")
    parsed = oci.parseManifest(await get(oci.selectManifest(parsed.index, oci.hostPlatform()).digest));
  return parsed.manifest;
}

function print({ children }: TreeNode, path: string): void {
  for (const [name, node] of [...(children ?? [])].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const layer = node.implicit ? "-" : node.layer + 1;
    console.log(`${layer}\t${node.mode.toString(8)}\t${node.size}\t${path}/${name}`);
    print(node, `${path}/${name}`);
  }
}

const source = process.argv[2] ?? "";
using registry = openRegistry({ userAgent: "example", credentialsFor: dockerConfigCredentials() });
const image = await (existsSync(source) ? imageInArchive(source) : imageInRegistry(registry, source));
const config = oci.parseImageConfig(image.config);
console.log(JSON.stringify(config.config ?? {}, null, 2));
const indexes: LayerIndex[] = [];
for (const [i, open] of image.layers.entries()) {
  const entries = createEntryCollector();
  for await (const { entry } of readTar(decompress(await open()))) entries.add(entry);
  indexes.push({ entries: entries.finish() });
  console.log(`layer ${i + 1}: ${config.rootfs.diff_ids[i]}, ${indexes[i]?.entries.length} entries`);
}
print(unionOf(indexes), "");
