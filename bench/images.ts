import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { debianRoot } from "../test/support/debian.ts";
import { must } from "../test/support/process.ts";

export interface BenchImage {
  readonly name: string;
  readonly description: string;
  /** Compressed bytes of all layers. */
  readonly compressedBytes: number;
  /** OCI layout with one image tagged `1`. */
  readonly layout: string;
}

interface LayerFile {
  readonly path: string;
  readonly diffId: string;
}

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Writes an OCI layout over gzip layers. */
function writeLayout(layout: string, layers: readonly LayerFile[], cmd: readonly string[]): number {
  const blobs = join(layout, "blobs/sha256");
  mkdirSync(blobs, { recursive: true });
  const put = (bytes: Uint8Array): { digest: string; size: number } => {
    const hex = sha256(bytes);
    writeFileSync(join(blobs, hex), bytes);
    return { digest: `sha256:${hex}`, size: bytes.length };
  };
  let total = 0;
  const descriptors = layers.map((layer) => {
    const hex = sha256(readFileSync(layer.path));
    copyFileSync(layer.path, join(blobs, hex));
    const size = statSync(layer.path).size;
    total += size;
    return { mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest: `sha256:${hex}`, size };
  });
  const config = put(
    Buffer.from(
      JSON.stringify({
        created: "2026-01-01T00:00:00Z",
        architecture: process.arch === "arm64" ? "arm64" : "amd64",
        os: "linux",
        config: { Cmd: cmd, Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"] },
        rootfs: { type: "layers", diff_ids: layers.map((layer) => `sha256:${layer.diffId}`) },
        history: layers.map((_, index) => ({
          created: "2026-01-01T00:00:00Z",
          created_by: `bench layer ${index}`,
        })),
      }),
    ),
  );
  const manifest = put(
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: "application/vnd.oci.image.manifest.v1+json",
        config: { mediaType: "application/vnd.oci.image.config.v1+json", ...config },
        layers: descriptors,
      }),
    ),
  );
  writeFileSync(join(layout, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  writeFileSync(
    join(layout, "index.json"),
    JSON.stringify({
      schemaVersion: 2,
      manifests: [
        {
          mediaType: "application/vnd.oci.image.manifest.v1+json",
          ...manifest,
          annotations: { "org.opencontainers.image.ref.name": "1" },
        },
      ],
    }),
  );
  return total;
}

async function tarOf(directory: string, into: string): Promise<LayerFile> {
  const tar = `${into}.tar`;
  await must("tar", [
    "-C",
    directory,
    "--numeric-owner",
    "--owner=0",
    "--group=0",
    "--sort=name",
    "--mtime=@1700000000",
    "-cf",
    tar,
    ".",
  ]);
  const bytes = readFileSync(tar);
  writeFileSync(`${into}.tar.gz`, gzipSync(bytes, { level: 6 }));
  return { path: `${into}.tar.gz`, diffId: sha256(bytes) };
}

/** busybox's shell in an otherwise empty tree: enough to run `true`. */
function writeBusybox(root: string): void {
  mkdirSync(join(root, "bin"), { recursive: true });
  copyFileSync("/usr/bin/busybox", join(root, "bin/busybox"));
  for (const applet of ["sh", "true", "cat", "ls", "echo"]) symlinkSync("busybox", join(root, "bin", applet));
}

/** A word list that compresses about as well as source code does. */
function sourceLike(seed: number, bytes: number): string {
  const words = [
    "const",
    "return",
    "function",
    "import",
    "export",
    "value",
    "index",
    "length",
    "state",
    "error",
  ];
  let text = "";
  for (let i = seed; text.length < bytes; i = (i * 1103515245 + 12345) % 2147483648)
    text += `${words[i % words.length]} ${i.toString(36)}${i % 7 === 0 ? "\n" : " "}`;
  return text.slice(0, bytes);
}

export async function debianImage(work: string): Promise<BenchImage> {
  const debian = await debianRoot();
  const layout = join(work, "debian");
  const diffId = sha256(readFileSync(debian.tar));
  const compressedBytes = writeLayout(layout, [{ path: debian.gzip, diffId }], ["/bin/bash"]);
  return { name: "debian", description: "Debian root, one layer", compressedBytes, layout };
}

export async function manyFilesImage(work: string): Promise<BenchImage> {
  const root = join(work, "files-root");
  writeBusybox(root);
  for (let folder = 0; folder < 500; folder++) {
    const path = join(root, "srv", `package-${folder}`, "lib");
    mkdirSync(path, { recursive: true });
    for (let file = 0; file < 100; file++)
      writeFileSync(
        join(path, `module-${file}.js`),
        sourceLike(folder * 100 + file + 1, 200 + ((folder * 37 + file * 101) % 3000)),
      );
  }
  const layer = await tarOf(root, join(work, "files"));
  const layout = join(work, "files");
  const compressedBytes = writeLayout(layout, [layer], ["/bin/sh"]);
  return { name: "files", description: "50,000 small files, one layer", compressedBytes, layout };
}

export async function manyLayersImage(work: string): Promise<BenchImage> {
  const layers: LayerFile[] = [];
  for (let index = 0; index < 40; index++) {
    const root = join(work, `layers-root-${index}`);
    if (index === 0) writeBusybox(root);
    const path = join(root, "opt", `part-${index}`);
    mkdirSync(path, { recursive: true });
    for (let file = 0; file < 50; file++)
      writeFileSync(join(path, `data-${file}`), sourceLike(index * 50 + file + 1, 40_000));
    layers.push(await tarOf(root, join(work, `layers-${index}`)));
  }
  const layout = join(work, "layers");
  const compressedBytes = writeLayout(layout, layers, ["/bin/sh"]);
  return { name: "layers", description: "40 layers of 2 MB", compressedBytes, layout };
}

/** A docker-archive of `count` tiny images that share one layer, for `ply load` and `docker load`. */
export async function manyImagesArchive(work: string, count: number): Promise<string> {
  const root = join(work, "tiny-root");
  writeBusybox(root);
  const layer = await tarOf(root, join(work, "tiny"));
  const folder = join(work, "many");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "layer.tar"), gunzipSync(readFileSync(layer.path)));
  const manifest = [];
  for (let index = 0; index < count; index++) {
    const config = JSON.stringify({
      created: new Date(1_760_000_000_000 + index * 1000).toISOString(),
      architecture: process.arch === "arm64" ? "arm64" : "amd64",
      os: "linux",
      config: { Cmd: ["/bin/sh"], Labels: { number: String(index) } },
      rootfs: { type: "layers", diff_ids: [`sha256:${layer.diffId}`] },
    });
    const name = `${sha256(Buffer.from(config))}.json`;
    writeFileSync(join(folder, name), config);
    manifest.push({ Config: name, RepoTags: [`bench/image-${index}:1`], Layers: ["layer.tar"] });
  }
  writeFileSync(join(folder, "manifest.json"), JSON.stringify(manifest));
  const archive = join(work, "many.tar");
  await must("tar", ["-C", folder, "-cf", archive, "."]);
  return archive;
}
