import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createEntryCollector, encodeIndex } from "../../layer/index.ts";
import type { DiffId } from "../../oci/index.ts";
import { chainIdsOf, digestOf, hexOf } from "../../oci/index.ts";
import type { LayerStack, StackLayer } from "../../store/index.ts";
import { createTarScanner } from "../../tar/index.ts";

const BLOCK = 512;

/** Puts a tar into `<root>/layers` as an ingest would: padded tar and index. */
export function storeLayer(root: string, tar: Uint8Array): StackLayer {
  const diffId = digestOf(tar) as DiffId;
  const dir = join(root, "layers", hexOf(diffId));
  const collector = createEntryCollector();
  const scanner = createTarScanner({ onEntry: (entry) => collector.add(entry) });
  scanner.push(tar);
  scanner.end();
  mkdirSync(dir, { recursive: true });
  const padding = Buffer.alloc((BLOCK - (tar.length % BLOCK)) % BLOCK);
  writeFileSync(join(dir, "layer.tar"), Buffer.concat([tar, padding]));
  writeFileSync(join(dir, "index"), encodeIndex(collector.finish()));
  return { diffId, dir, tarSize: tar.length };
}

export function stackOf(layers: readonly StackLayer[]): LayerStack {
  const chainId = chainIdsOf(layers.map((layer) => layer.diffId)).at(-1);
  if (chainId === undefined) throw new Error("a stack has layers");
  return { chainId, layers };
}
