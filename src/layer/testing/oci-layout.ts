import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Writes an OCI image layout of one image, tagged `ref`, with these uncompressed layers; for other tools to read. */
export function writeOciLayout(dir: string, ref: string, layers: readonly Uint8Array[]): void {
  const blobs = join(dir, "blobs", "sha256");
  mkdirSync(blobs, { recursive: true });
  const put = (mediaType: string, bytes: Uint8Array) => {
    const hex = createHash("sha256").update(bytes).digest("hex");
    writeFileSync(join(blobs, hex), bytes);
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
  };
  const json = (value: unknown) => Buffer.from(JSON.stringify(value));
  const descriptors = layers.map((bytes) => put("application/vnd.oci.image.layer.v1.tar", bytes));
  const config = put(
    "application/vnd.oci.image.config.v1+json",
    json({
      architecture: "amd64",
      os: "linux",
      config: {},
      rootfs: { type: "layers", diff_ids: descriptors.map((descriptor) => descriptor.digest) },
    }),
  );
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const manifest = put(mediaType, json({ schemaVersion: 2, mediaType, config, layers: descriptors }));
  const annotations = { "org.opencontainers.image.ref.name": ref };
  writeFileSync(
    join(dir, "index.json"),
    json({ schemaVersion: 2, manifests: [{ ...manifest, annotations }] }),
  );
  writeFileSync(join(dir, "oci-layout"), json({ imageLayoutVersion: "1.0.0" }));
}
