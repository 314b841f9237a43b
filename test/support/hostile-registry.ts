import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type LayoutLayer, sha256 } from "./oci-layout.ts";

/** A server that says it is a registry and answers whatever it was told to. No honest registry can do that. */
export interface HostileRegistry extends AsyncDisposable {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** Serves these bytes as the manifest `name:tag` and, for blobs, under any digest. */
  manifest(name: string, tag: string, bytes: Uint8Array | string, mediaType: string): void;
  blob(digest: string, bytes: Uint8Array): void;
  /** Takes a request over completely. */
  intercept(handler: (request: IncomingMessage, response: ServerResponse) => boolean): void;
  /** Publishes an image whose layers may lie about digest, size and DiffID; returns its digest. */
  image(name: string, layers: readonly LayoutLayer[], mediaType?: string): string;
}

export const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
export const OCI_INDEX = "application/vnd.oci.image.index.v1+json";

export async function startHostileRegistry(): Promise<HostileRegistry> {
  const answers = new Map<string, { bytes: Buffer; type: string }>();
  let intercept: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
  const server = createServer((request, response) => {
    request.resume();
    response.on("error", () => {});
    if (intercept?.(request, response)) return;
    const path = (request.url ?? "").split("?")[0] ?? "";
    if (path === "/v2/") {
      response.writeHead(200, { "Docker-Distribution-Api-Version": "registry/2.0" }).end("{}");
      return;
    }
    const answer = answers.get(path) ?? answers.get(path.replace(/^.*\/blobs\//, "/blobs/"));
    if (answer === undefined) {
      response.writeHead(404, { "Content-Type": "application/json" });
      response.end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}');
      return;
    }
    response.writeHead(200, { "Content-Type": answer.type, "Content-Length": answer.bytes.length });
    response.end(request.method === "HEAD" ? undefined : answer.bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const registry: HostileRegistry = {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    manifest(name, tag, given, type) {
      const bytes = Buffer.from(given);
      for (const reference of [tag, sha256(bytes)])
        answers.set(`/v2/${name}/manifests/${reference}`, { bytes, type });
    },
    blob(digest, bytes) {
      answers.set(`/blobs/${digest}`, { bytes: Buffer.from(bytes), type: "application/octet-stream" });
    },
    intercept(handler) {
      intercept = handler;
    },
    image(name, layers, mediaType = OCI_MANIFEST) {
      const descriptors = layers.map((layer) => {
        const bytes = layer.blob ?? layer.tar;
        const digest = layer.digest ?? sha256(bytes);
        registry.blob(digest, bytes);
        return {
          mediaType: layer.mediaType ?? "application/vnd.oci.image.layer.v1.tar+gzip",
          digest,
          size: layer.size ?? bytes.length,
        };
      });
      const config = Buffer.from(
        JSON.stringify({
          architecture: process.arch === "arm64" ? "arm64" : "amd64",
          os: "linux",
          config: { Cmd: ["/bin/sh"] },
          rootfs: { type: "layers", diff_ids: layers.map((layer) => layer.diffId ?? sha256(layer.tar)) },
        }),
      );
      registry.blob(sha256(config), config);
      const manifest = JSON.stringify({
        schemaVersion: 2,
        mediaType,
        config: {
          mediaType: "application/vnd.oci.image.config.v1+json",
          digest: sha256(config),
          size: config.length,
        },
        layers: descriptors,
      });
      registry.manifest(name, "1", manifest, mediaType);
      return sha256(manifest);
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return registry;
}
