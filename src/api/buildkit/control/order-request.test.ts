import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isPlyError } from "../../../error.ts";
import type { Order, Typed } from "./order.ts";
import { requestOf } from "./order-request.ts";

const typed = (type: string, attributes: Readonly<Record<string, string>> = {}): Typed => ({
  type,
  attributes: new Map(Object.entries(attributes)),
});

const order = (
  attributes: Readonly<Record<string, string>>,
  more: Partial<Omit<Order, "attributes">> = {},
): Order => ({
  frontend: "dockerfile.v0",
  attributes: new Map(Object.entries(attributes)),
  inputs: new Map(),
  exporters: [],
  cacheImports: [],
  cacheExports: [],
  entitlements: [],
  ...more,
});

const refuses = (given: Order, words: RegExp): void =>
  assert.throws(
    () => requestOf(given),
    (error) => isPlyError(error) && words.test(error.message),
  );

describe("what clients of BuildKit order", () => {
  test("attributes of the frontend are flags of ply build", () => {
    const { outputs, annotations, cacheFrom, cacheTo, allow, ...request } = requestOf(
      order({
        target: "app",
        platform: "linux/amd64,linux/arm64",
        "build-arg:A": "1",
        "label:l": "v=w",
        "no-cache": "base,app",
        "image-resolve-mode": "pull",
        "force-network-mode": "host",
        "add-hosts": "a=1.2.3.4,b=::1",
        ulimit: "nofile=10:20,nproc=5",
        "shm-size": "4096",
        memory: "1000000",
        cpusetcpus: "0-1",
        "cgroup-parent": "/c",
      }),
    );
    assert.deepEqual(request, {
      target: "app",
      platforms: ["linux/amd64", "linux/arm64"],
      buildArgs: { A: "1" },
      labels: { l: "v=w" },
      noCacheStages: ["base", "app"],
      pull: true,
      network: "host",
      hostConfig: {
        ShmSize: 4096,
        Memory: 1_000_000,
        CpusetCpus: "0-1",
        CgroupParent: "/c",
        ExtraHosts: ["a:1.2.3.4", "b:::1"],
        Ulimits: [
          { Name: "nofile", Soft: 10, Hard: 20 },
          { Name: "nproc", Soft: 5, Hard: 5 },
        ],
      },
    });
    assert.equal(requestOf(order({ "no-cache": "" })).noCache, true);
    assert.equal(requestOf(order({ "image-resolve-mode": "local" })).pull, undefined);
    assert.deepEqual(requestOf(order({}, { entitlements: ["network.host", "device=gpu"] })).allow, [
      "network.host",
      "device=gpu",
    ]);
  });

  test("exporters are outputs", () => {
    const exporters = [
      typed("moby", { name: "a,b:1", push: "true", "annotation-index.k": "v" }),
      typed("oci", { compression: "zstd", "compression-level": "3", "force-compression": "true" }),
      typed("docker", { name: "c" }),
      typed("local", { "platform-split": "true", "annotation[linux/amd64].x": "y" }),
      typed("tar"),
      typed("image", { "push-by-digest": "true", push: "", name: "d" }),
    ];
    const { outputs, annotations } = requestOf(order({}, { exporters }));
    assert.deepEqual(outputs, [
      { kind: "image", names: ["a", "b:1"], isStored: true, push: "name" },
      { kind: "archive", format: "oci", names: [], form: { compression: "zstd", level: 3, force: true } },
      { kind: "archive", format: "docker", names: ["c"] },
      { kind: "files", isSplit: true },
      { kind: "files", isSplit: false },
      { kind: "image", names: ["d"], isStored: false, push: "digest" },
    ]);
    assert.deepEqual(annotations, [
      { place: "index", key: "k", value: "v" },
      { place: "manifest", platform: "linux/amd64", key: "x", value: "y" },
    ]);
    const [several] = requestOf(order({ platform: "linux/amd64,linux/386" }, { exporters })).outputs ?? [];
    assert.deepEqual(several, { kind: "image", names: ["a", "b:1"], isStored: false, push: "name" });
  });

  test("provenance that clients ask for by themselves only where there is a place for it", () => {
    const attributes = { "attest:provenance": "mode=min,inline-only=true" };
    assert.equal(requestOf(order(attributes, { exporters: [typed("moby")] })).provenance, undefined);
    assert.equal(requestOf(order(attributes, { exporters: [typed("oci")] })).provenance, "min");
    const pushed = { exporters: [typed("moby", { push: "true" })] };
    assert.equal(requestOf(order(attributes, pushed)).provenance, "min");
    assert.equal(requestOf(order({ "attest:provenance": "mode=max" })).provenance, "max");
    assert.equal(requestOf(order({ "attest:provenance": "false" })).provenance, undefined);
    assert.equal(
      requestOf(order({ "attest:provenance": "type=provenance,disabled=true" })).provenance,
      undefined,
    );
  });

  test("caches, as a field or as JSON among the attributes", () => {
    const json = JSON.stringify([{ Type: "registry", Attrs: { ref: "r/c" } }]);
    assert.deepEqual(requestOf(order({ "cache-imports": json })).cacheFrom, [
      { kind: "registry", ref: "r/c" },
    ]);
    const cacheImports = [typed("registry", { ref: "r/d" }), typed("inline")];
    assert.deepEqual(requestOf(order({ "cache-imports": json }, { cacheImports })).cacheFrom, [
      { kind: "registry", ref: "r/d" },
    ]);
    const cacheExports = [
      typed("inline"),
      typed("registry", { ref: "r/e", mode: "max", compression: "zstd" }),
    ];
    assert.deepEqual(requestOf(order({}, { cacheExports })).cacheTo, [
      { kind: "inline" },
      {
        kind: "registry",
        ref: "r/e",
        mode: "max",
        compression: "zstd",
        forceCompression: false,
        ignoreError: false,
      },
    ]);
  });

  test("what ply has not, and what means nothing, is refused by name", () => {
    refuses(order({ "attest:sbom": "generator=g" }), /attestation of type sbom/);
    refuses(order({ "image-resolve-mode": "x" }), /image-resolve-mode: x/);
    refuses(order({ "force-network-mode": "x" }), /netmode x/);
    refuses(order({ "add-hosts": "x" }), /key-value pair x/);
    refuses(order({ ulimit: "nofile" }), /ulimit argument: nofile/);
    refuses(order({ "shm-size": "much" }), /shm-size value: much/);
    refuses(order({ "cache-imports": "{" }), /cache-imports/);
    refuses(order({}, { entitlements: ["all"] }), /entitlement all/);
    refuses(order({}, { exporters: [typed("other")] }), /"other"/);
    refuses(order({}, { exporters: [typed("oci", { tar: "false" })] }), /tar=false/);
    refuses(order({}, { exporters: [typed("moby", { push: "perhaps" })] }), /"perhaps" specified for push/);
    refuses(order({}, { exporters: [typed("oci", { compression: "estargz" })] }), /estargz/);
    for (const type of ["local", "gha", "s3"])
      refuses(order({}, { cacheExports: [typed(type)] }), new RegExp(type));
    refuses(order({}, { cacheImports: [typed("registry")] }), /ref=NAME/);
  });
});
