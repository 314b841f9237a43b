import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { isPlyError } from "../error.ts";
import { digestOf } from "./digest.ts";
import { type Descriptor, type Index, MEDIA_TYPE } from "./manifest.ts";
import { formatPlatform, hostPlatform, normalizePlatform, parsePlatform } from "./platform.ts";
import { offeredPlatforms, selectManifest } from "./select-manifest.ts";

const HOST = { os: "linux", architecture: "amd64" };

describe("parsePlatform", () => {
  const cases: [text: string, formatted: string, normal?: string][] = [
    ["linux/amd64", "linux/amd64"],
    ["linux", "linux/amd64"],
    ["arm64", "linux/arm64"],
    ["aarch64", "linux/arm64"],
    ["linux/x86_64", "linux/amd64"],
    ["Linux/AMD64", "linux/amd64"],
    ["linux/amd64/v1", "linux/amd64/v1", "linux/amd64"],
    ["linux/amd64/v3", "linux/amd64/v3"],
    ["linux/arm64/v8", "linux/arm64/v8", "linux/arm64"],
    ["linux/arm64/8", "linux/arm64/v8", "linux/arm64"],
    ["linux/arm", "linux/arm/v7"],
    ["linux/arm/6", "linux/arm/v6"],
    ["armhf", "linux/arm/v7"],
    ["armel", "linux/arm/v6"],
    ["macos/arm64", "darwin/arm64"],
    ["windows(10.0.17763)/amd64", "windows(10.0.17763)/amd64"],
    ["linux/i386", "linux/386"],
    ["linux/riscv64", "linux/riscv64"],
  ];
  for (const [text, formatted, normal = formatted] of cases)
    test(text, () => {
      const platform = parsePlatform(text, HOST);
      assert.equal(formatPlatform(platform), formatted);
      assert.equal(formatPlatform(normalizePlatform(platform)), normal);
    });
  for (const text of [
    "",
    "/",
    "linux/",
    "linux/a/b/c",
    "nonsense",
    "linux/am d64",
    "*",
    "constructor",
    `linux/${"a".repeat(500)}`,
  ])
    test(`refuses ${JSON.stringify(text.slice(0, 30))}`, () => {
      assert.throws(
        () => parsePlatform(text, HOST),
        (error) => isPlyError(error, "invalid"),
      );
    });

  test("format then parse gives the same platform", () => {
    const word = fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/);
    const arbitrary = fc.record(
      { os: word, architecture: word, variant: word, "os.version": fc.stringMatching(/^[0-9.]{1,9}$/) },
      { requiredKeys: ["os", "architecture"] },
    );
    fc.assert(
      fc.property(arbitrary, (given) => {
        const platform = parsePlatform(formatPlatform(given), HOST);
        assert.deepEqual(parsePlatform(formatPlatform(platform), HOST), platform);
        const normal = normalizePlatform(platform);
        assert.deepEqual(normalizePlatform(normal), normal);
      }),
    );
  });

  test("the host's platform is a normal one", () => {
    assert.deepEqual(normalizePlatform(hostPlatform()), hostPlatform());
  });
});

describe("selectManifest", () => {
  const entry = (platform: string | undefined, annotations?: Record<string, string>): Descriptor => ({
    mediaType: MEDIA_TYPE.ociManifest,
    digest: digestOf(platform ?? "none"),
    size: 1,
    ...(platform === undefined ? {} : { platform: parsePlatform(platform, HOST) }),
    ...(annotations === undefined ? {} : { annotations }),
  });
  const unknown: Descriptor = {
    ...entry("linux/amd64"),
    platform: { os: "unknown", architecture: "unknown" },
  };
  const indexOf = (...platforms: string[]): Index => ({
    schemaVersion: 2,
    manifests: [unknown, ...platforms.map((platform) => entry(platform))],
  });
  const chosen = (index: Index, platform: string): string => {
    const { platform: found } = selectManifest(index, parsePlatform(platform, HOST));
    return found === undefined ? "none" : formatPlatform(found);
  };

  const cases: [wanted: string, offered: string[], taken: string][] = [
    ["linux/amd64", ["linux/arm64", "linux/amd64"], "linux/amd64"],
    ["linux/arm64", ["linux/amd64", "linux/arm64/v8"], "linux/arm64/v8"],
    ["linux/arm64/v8", ["linux/amd64", "linux/arm64"], "linux/arm64"],
    ["linux/arm/v7", ["linux/arm/v5", "linux/arm/v6"], "linux/arm/v6"],
    ["linux/arm/v7", ["linux/arm/v5", "linux/arm/v7"], "linux/arm/v7"],
    ["linux/arm64", ["linux/arm/v6", "linux/arm/v7"], "linux/arm/v7"],
    ["linux/amd64", ["linux/386"], "linux/386"],
    ["linux/amd64/v3", ["linux/amd64", "linux/amd64/v2"], "linux/amd64/v2"],
    ["linux/arm64/v9", ["linux/arm64", "linux/arm64/v8.5"], "linux/arm64/v8.5"],
  ];
  for (const [wanted, offered, taken] of cases)
    test(`${wanted} takes ${taken} of ${offered.join(", ")}`, () => {
      assert.equal(chosen(indexOf(...offered), wanted), taken);
    });

  test("says what there is when nothing fits", () => {
    assert.throws(
      () => selectManifest(indexOf("linux/amd64", "linux/arm/v7"), parsePlatform("linux/s390x")),
      (error) =>
        isPlyError(error, "not-found") &&
        error.message ===
          "no matching manifest for linux/s390x in the manifest list entries: offers linux/amd64, linux/arm/v7",
    );
    // A weaker machine does not take what a stronger one needs.
    assert.throws(() => chosen(indexOf("linux/arm/v7"), "linux/arm/v6"), /no matching manifest/);
    assert.throws(() => chosen(indexOf("linux/amd64/v3"), "linux/amd64"), /no matching manifest/);
  });

  test("attestations are never chosen nor offered", () => {
    const attestation = entry("linux/amd64", { "vnd.docker.reference.type": "attestation-manifest" });
    const index: Index = { schemaVersion: 2, manifests: [unknown, attestation] };
    assert.deepEqual(offeredPlatforms(index), []);
    assert.throws(() => selectManifest(index, HOST), /it offers none/);
  });

  test("an entry without a platform is the last resort", () => {
    const bare = entry(undefined);
    assert.equal(selectManifest({ schemaVersion: 2, manifests: [bare, entry("linux/arm64")] }, HOST), bare);
    assert.equal(
      chosen({ schemaVersion: 2, manifests: [bare, entry("linux/amd64")] }, "linux/amd64"),
      "linux/amd64",
    );
  });
});
