import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { cacheSources, cacheTargets } from "./cache-flags.ts";

describe("--cache-from and --cache-to", () => {
  test("as docker buildx and podman have them", () => {
    assert.deepEqual(cacheSources(["reg.example/a:c", "type=registry,ref=b"]), [
      { kind: "registry", ref: "reg.example/a:c" },
      { kind: "registry", ref: "b" },
    ]);
    assert.deepEqual(
      cacheTargets([
        "reg.example/a",
        "type=inline",
        "type=inline,mode=min",
        "type=registry,ref=b,mode=max,image-manifest=true,oci-mediatypes=1,compression=zstd,force-compression=true,ignore-error=true",
      ]),
      [
        { kind: "registry", ref: "reg.example/a", mode: "min" },
        { kind: "inline" },
        { kind: "inline" },
        {
          kind: "registry",
          ref: "b",
          mode: "max",
          compression: "zstd",
          forceCompression: true,
          ignoreError: true,
        },
      ],
    );
  });

  test("directories are made to write to; those to read from need not be there", () => {
    const directory = mkdtempSync(join(tmpdir(), "ply-cache-flags-"));
    try {
      const path = join(directory, "a/b");
      assert.deepEqual(cacheSources([`type=local,src=${path}`]), [
        { kind: "directory", path, device: "", inode: "", tag: "latest" },
      ]);
      const [target] = cacheTargets([`type=local,dest=${path},mode=max,tag=t`]);
      const { dev, ino } = statSync(path, { bigint: true });
      const place = { kind: "directory", path, device: String(dev), inode: String(ino), tag: "t" };
      assert.deepEqual(target, { ...place, mode: "max" });
      assert.deepEqual(cacheSources([`type=local,src=${path}`]), [{ ...place, tag: "latest" }]);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  const refused: readonly (readonly [text: string, why: RegExp])[] = [
    ["type=gha", /ply has no cache of type gha: use inline, registry or local$/],
    ["type=s3,region=x", /no cache of type s3/],
    ["type=rubbish", /unknown type rubbish/],
    ["type=registry", /needs ref=NAME/],
    ["type=registry,ref=A/B", /must be lowercase/],
    ["type=local", /needs dest=DIRECTORY/],
    ["type=registry,ref=a,mode=all", /mode=all is not min or max/],
    ["type=inline,mode=max", /mode=max is not min/],
    ["type=registry,ref=a,compression=brotli", /compression=brotli is not gzip or zstd/],
    ["type=registry,ref=a,image-manifest=false", /OCI image manifests/],
    ["type=registry,ref=a,ignore-error=maybe", /is not true or false/],
    ["type=registry,ref=a,url=b", /type=registry has no field url/],
    ["type=registry,a", /expected fields key=value/],
    ["", /needs ref=NAME/],
  ];
  for (const [text, why] of refused)
    test(`--cache-to ${text || '""'} is refused`, () => assert.throws(() => cacheTargets([text]), why));

  test("an inline cache is not asked for as such", () => {
    assert.throws(() => cacheSources(["type=inline"]), /type=registry,ref=IMAGE$/);
    assert.throws(() => cacheSources(["type=gha"]), /use registry or local$/);
    assert.throws(() => cacheSources(["type=local"]), /needs src=DIRECTORY/);
  });
});
