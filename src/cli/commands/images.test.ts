import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { DockerImageSummary, PlyImage } from "../../wire/index.ts";
import { startFakeEngine } from "../testing/fake-engine.ts";
import { runPly } from "../testing/run.ts";

const HOUR = 3600;
const nowSeconds = (): number => Math.floor(Date.now() / 1000);

function summary(digit: string, more: Partial<DockerImageSummary> = {}): DockerImageSummary {
  return {
    Id: `sha256:${digit.repeat(64)}`,
    ParentId: "",
    RepoTags: [],
    RepoDigests: [],
    Created: nowSeconds() - 3 * HOUR,
    Size: 123_456_789,
    SharedSize: -1,
    Labels: null,
    Containers: -1,
    ...more,
  };
}

const IMAGES = [
  summary("a", {
    RepoTags: ["debian:12", "localhost:5000/debian:mine"],
    RepoDigests: [`debian@sha256:${"1".repeat(64)}`],
  }),
  summary("b", { RepoDigests: [`only/digest@sha256:${"2".repeat(64)}`], Size: 7 }),
  summary("c", { Size: 0 }),
];

const PLY_IMAGE: PlyImage = {
  id: `sha256:${"d".repeat(64)}`,
  names: ["web:1"],
  repoDigests: [],
  platform: { os: "linux", architecture: "amd64" },
  builtAt: Date.now() - 86_400_000 * 21,
  arrivedAt: Date.now() - 86_400_000 * 3,
  lastUsedAt: null,
  lastTaggedAt: null,
  sizes: { total: 100_000_000, unique: 20_000_000, shared: 80_000_000, compressed: 41_000_000 },
  containers: ["x"],
  labels: {},
};

const answers = {
  "GET /images/json": { json: IMAGES },
  "GET /ply/images": { json: [PLY_IMAGE] },
};

describe("ply images", () => {
  test("is Docker's table", async () => {
    await using engine = await startFakeEngine(answers);
    const { stdout, code } = await runPly(["images"], { engine });
    assert.equal(code, 0);
    assert.deepEqual(stdout.split("\n"), [
      "REPOSITORY              TAG       IMAGE ID       CREATED       SIZE",
      "debian                  12        aaaaaaaaaaaa   3 hours ago   123MB",
      "localhost:5000/debian   mine      aaaaaaaaaaaa   3 hours ago   123MB",
      "only/digest             <none>    bbbbbbbbbbbb   3 hours ago   7B",
      "<none>                  <none>    cccccccccccc   3 hours ago   0B",
      "",
    ]);
  });

  test("-q, --no-trunc, --digests and --format", async () => {
    await using engine = await startFakeEngine(answers);
    const shown = async (...words: string[]): Promise<string[]> =>
      (await runPly(["images", ...words], { engine })).stdout.trimEnd().split("\n");
    assert.deepEqual(await shown("-q"), ["aaaaaaaaaaaa", "aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc"]);
    assert.equal((await shown("-q", "--no-trunc"))[0], `sha256:${"a".repeat(64)}`);
    assert.match((await shown("--digests"))[1] ?? "", /^debian +12 +sha256:1{64} +aaaaaaaaaaaa/);
    assert.match((await shown("--digests"))[2] ?? "", /mine +<none> +aaaaaaaaaaaa/);
    assert.deepEqual(await shown("--format", "{{.Repository}}:{{.Tag}}"), [
      "debian:12",
      "localhost:5000/debian:mine",
      "only/digest:<none>",
      "<none>:<none>",
    ]);
    const json = JSON.parse((await shown("--format", "json"))[0] ?? "") as Record<string, string>;
    assert.equal(json["Repository"], "web");
    assert.equal(json["UniqueSize"], "20MB");
  });

  test("asks ply's own list only for what Docker's has not", async () => {
    await using engine = await startFakeEngine(answers);
    const { stdout } = await runPly(["images", "--sizes"], { engine });
    assert.deepEqual(stdout.trimEnd().split("\n"), [
      "REPOSITORY   TAG       IMAGE ID       CREATED       SIZE      UNIQUE SIZE   SHARED SIZE   COMPRESSED",
      "web          1         dddddddddddd   3 weeks ago   100MB     20MB          80MB          41MB",
    ]);
    const { stdout: times } = await runPly(["images", "--format", "{{.PulledSince}}, {{.UsedSince}}"], {
      engine,
    });
    assert.equal(times, "3 days ago, never\n");
    assert.deepEqual(
      engine.requests.map(({ path }) => path),
      ["/ply/images", "/ply/images"],
    );
  });

  test("filters go to the engine, times as seconds", async () => {
    await using engine = await startFakeEngine(answers);
    await runPly(["images", "-a", "-f", "dangling=true", "-f", "label=a=b", "-f", "label=c", "debian"], {
      engine,
    });
    await runPly(["images", "-f", "until=2026-05-01T00:00:00Z"], { engine });
    await runPly(["images", "-f", "pulled-until=2026-05-01T00:00:00Z"], { engine });
    const [first, second, third] = engine.requests;
    assert.equal(first?.query.get("all"), "1");
    assert.deepEqual(JSON.parse(first?.query.get("filters") ?? ""), {
      dangling: ["true"],
      label: ["a=b", "c"],
      reference: ["debian"],
    });
    assert.deepEqual(JSON.parse(second?.query.get("filters") ?? ""), { until: ["1777593600"] });
    assert.equal(third?.path, "/ply/images");
    assert.deepEqual(JSON.parse(third?.query.get("filters") ?? ""), { "arrived-until": ["1777593600"] });
  });

  test("a filter that is none is a wrong command line", async () => {
    const { code, stderr } = await runPly(["images", "-f", "dangling"]);
    assert.equal(code, 125);
    assert.match(stderr, /bad format of filter \(expected name=value\)/);
  });

  test("names from a registry cannot drive the terminal", async () => {
    await using engine = await startFakeEngine({
      "GET /images/json": { json: [summary("a", { RepoTags: ["a\x1b[2Jb:1"] })] },
    });
    const { stdout } = await runPly(["images"], { engine });
    assert.ok(!stdout.includes("\x1b"));
  });
});

describe("other commands about images", () => {
  test("history shows ids where there are any", async () => {
    const row = { tags: [], comment: "", emptyLayer: false };
    await using engine = await startFakeEngine({
      "GET /ply/images/debian:12/history": {
        json: [
          {
            ...row,
            id: `sha256:${"a".repeat(64)}`,
            created: "2020-01-01T00:00:00Z",
            createdBy: 'CMD ["bash"]',
            size: 0,
          },
          { ...row, id: "", createdBy: `RUN ${"x".repeat(60)}\n y`, size: 4_261_550, comment: "buildkit" },
        ],
      },
    });
    const { stdout } = await runPly(["history", "debian:12"], { engine });
    const [heading, first, second] = stdout.split("\n");
    assert.equal(heading?.replace(/ +/g, " "), "IMAGE CREATED CREATED BY SIZE COMMENT");
    assert.match(first ?? "", /^a{12} +\d+ years ago +CMD \["bash"\] +0B/);
    assert.match(second ?? "", /^- +N\/A +RUN x{40}… +4\.26MB +buildkit$/);
    const { stdout: full } = await runPly(["history", "--no-trunc", "-H=false", "debian:12"], { engine });
    assert.match(full, /2020-01-01T\S+ +CMD \["bash"\] +0 /);
    assert.match(full, /RUN x{60}\\n y +4261550 /);
  });

  test("inspect looks for containers, then images, and goes on after a miss", async () => {
    await using engine = await startFakeEngine({
      "GET /containers/web/json": {
        json: { Id: "c1", State: { ExitCode: 3 }, Config: { Labels: { a: "b" } } },
      },
      "GET /images/debian:12/json": { json: { Id: "sha256:i1", RepoTags: ["debian:12"] } },
    });
    const { stdout, stderr, code } = await runPly(["inspect", "web", "nope", "debian:12"], { engine });
    assert.deepEqual(
      (JSON.parse(stdout) as { Id: string }[]).map(({ Id }) => Id),
      ["c1", "sha256:i1"],
    );
    assert.equal(stderr, "Error: No such object: nope\n");
    assert.equal(code, 1);
    const formatted = await runPly(["inspect", "-f", "{{.State.ExitCode}} {{.Config.Labels.a}}", "web"], {
      engine,
    });
    assert.equal(formatted.stdout, "3 b\n");
    const wrong = await runPly(["inspect", "-f", "{{.Nope}}", "web"], { engine });
    assert.equal(wrong.code, 1);
    assert.equal((await runPly(["inspect", "-f", "{{.Nope", "web"], { engine })).code, 64);
    assert.match(
      wrong.stderr,
      /^template parsing error: template: :1:2: executing "" at <\.Nope>: map has no entry/,
    );
    assert.equal((await runPly(["inspect", "--type", "image", "web"], { engine })).code, 1);
  });

  test("tag splits the target at its tag, not at a port", async () => {
    await using engine = await startFakeEngine({ "POST /images/a:1/tag": { status: 201, json: {} } });
    await runPly(["tag", "a:1", "localhost:5000/b:2"], { engine });
    await runPly(["tag", "a:1", "localhost:5000/b"], { engine });
    assert.deepEqual(
      engine.requests.map(({ query }) => [query.get("repo"), query.get("tag")]),
      [
        ["localhost:5000/b", "2"],
        ["localhost:5000/b", null],
      ],
    );
  });

  test("rmi says what went, and goes on after an error", async () => {
    await using engine = await startFakeEngine({
      "DELETE /images/a": { json: [{ Untagged: "a:latest" }, { Deleted: "sha256:1" }] },
    });
    const { stdout, stderr, code } = await runPly(["rmi", "-f", "a", "b"], { engine });
    assert.equal(stdout, "Untagged: a:latest\nDeleted: sha256:1\n");
    assert.match(stderr, /^Error: unexpected request: DELETE \/images\/b/);
    assert.equal(code, 1);
    assert.equal(engine.requests[0]?.query.get("force"), "1");
    const empty = await runPly(["rmi", ""], { engine });
    assert.equal(empty.stderr, "Error: invalid name or ID: value is empty\n");
  });

  test("search shows what was found, and who asks at a registry", async () => {
    await using engine = await startFakeEngine({
      "GET /images/search": {
        json: [
          {
            name: "nginx",
            description: "Official  build\nof Nginx, which is a server that serves",
            is_official: true,
            is_automated: false,
            star_count: 20000,
          },
        ],
      },
    });
    const { stdout } = await runPly(["search", "--limit", "3", "-f", "stars=3", "nginx"], { engine });
    assert.equal(
      stdout,
      "NAME      DESCRIPTION                                     STARS     OFFICIAL\nnginx     Official build of Nginx, which is a server t…   20000     [OK]\n",
    );
    const [request] = engine.requests;
    assert.deepEqual(
      [request?.query.get("term"), request?.query.get("limit"), request?.query.get("filters")],
      ["nginx", "3", '{"stars":["3"]}'],
    );
    assert.equal((await runPly(["search", "--limit", "0", "nginx"], { engine })).code, 125);
    assert.equal(
      (await runPly(["search", "two words", "--format", "{{.Name}}"], { engine })).stdout,
      "nginx\n",
    );
  });

  test("system prune takes stopped containers, volumes when asked, then images and what builds keep", async () => {
    await using engine = await startFakeEngine({
      "POST /containers/prune": { json: { ContainersDeleted: ["c1"], SpaceReclaimed: 1000 } },
      "POST /networks/prune": { json: { NetworksDeleted: ["n1"] } },
      "POST /volumes/prune": { json: { VolumesDeleted: null, SpaceReclaimed: 0 } },
      "POST /ply/images/prune": { json: { removed: [{ deleted: "sha256:1" }], bytesReclaimed: 500 } },
      "POST /build/prune": { json: { CachesDeleted: ["k1"], SpaceReclaimed: 500 } },
    });
    const { stdout, code } = await runPly(["system", "prune", "--volumes", "--filter", "label=a"], {
      engine,
      input: ["y\n"],
    });
    assert.equal(code, 0);
    assert.equal(
      stdout,
      `WARNING! This will remove:
  - all stopped containers
  - all networks not used by at least one container
  - all anonymous volumes not used by at least one container
  - all dangling images
  - unused build cache

Are you sure you want to continue? [y/N] Deleted Containers:
c1

Deleted Networks:
n1

Deleted Images:
deleted: sha256:1

Deleted build cache objects:
k1

Total reclaimed space: 2kB
`,
    );
    assert.deepEqual(
      engine.requests.map(({ path, query }) => [path.replace(/^\/v[0-9.]+/, ""), query.get("filters")]),
      [
        ["/containers/prune", '{"label":["a"]}'],
        ["/networks/prune", '{"label":["a"]}'],
        ["/volumes/prune", '{"label":["a"]}'],
        ["/ply/images/prune", null],
        ["/build/prune", '{"label":["a"]}'],
      ],
    );
  });

  test("image prune asks first, and sends its limits", async () => {
    await using engine = await startFakeEngine({
      "POST /ply/images/prune": {
        json: { removed: [{ untagged: "a:1" }, { deleted: "sha256:1" }], bytesReclaimed: 12_345_678 },
      },
    });
    const no = await runPly(["image", "prune"], { engine, input: ["n\n"] });
    assert.match(
      no.stdout,
      /WARNING! This will remove all dangling images\.\nAre you sure you want to continue\? \[y\/N\] /,
    );
    assert.equal((await runPly(["image", "prune"], { engine })).code, 0);
    assert.equal(engine.requests.length, 0);
    const yes = await runPly(["image", "prune"], { engine, input: ["y\n"] });
    assert.ok(
      yes.stdout.endsWith(
        "Deleted Images:\nuntagged: a:1\ndeleted: sha256:1\n\nTotal reclaimed space: 12.35MB\n",
      ),
    );
    await runPly(
      [
        "image",
        "prune",
        "-f",
        "--unused-for",
        "7d",
        "--keep",
        "3",
        "--max-size",
        "20GB",
        "--dry-run",
        "--filter",
        "label!=keep",
      ],
      { engine },
    );
    assert.deepEqual(JSON.parse(engine.requests[1]?.body ?? ""), {
      all: true,
      filter: { notLabels: ["keep"] },
      unusedForMs: 604_800_000,
      keep: 3,
      maxSize: 20e9,
      dryRun: true,
    });
  });

  const KEPT = {
    Type: "regular",
    Description: "RUN make",
    InUse: false,
    Shared: false,
    Size: 1000,
    CreatedAt: "2026-01-01T00:00:00Z",
    LastUsedAt: "2026-01-02T00:00:00Z",
    UsageCount: 2,
  };

  test("system df counts layers once, system check ends with 1 when something is wrong", async () => {
    await using engine = await startFakeEngine({
      "GET /ply/system/df": {
        json: {
          layersSize: 100_000_000,
          images: [PLY_IMAGE, { ...PLY_IMAGE, containers: [] }],
          containers: [{ id: "c", name: "x", image: "web:1", status: "exited", size: 5000 }],
          volumes: [
            { name: "data", size: 3000, users: 1 },
            { name: "old", size: 1000, users: 0 },
          ],
          buildCache: [
            { ...KEPT, ID: "1".repeat(64), Shared: true },
            { ...KEPT, ID: "2".repeat(64), InUse: true },
            { ...KEPT, ID: "3".repeat(64), Size: 3000 },
          ],
        },
      },
      "POST /ply/system/check": {
        json: {
          problems: [{ kind: "orphan", about: "layers/ab", message: "nothing knows it", repaired: false }],
          layersVerified: 4,
          blobsVerified: 8,
          bytesFreed: 0,
        },
      },
    });
    const { stdout } = await runPly(["system", "df"], { engine });
    assert.deepEqual(stdout.trimEnd().split("\n"), [
      "TYPE            TOTAL     ACTIVE    SIZE      RECLAIMABLE",
      "Images          2         1         100MB     20MB (20%)",
      "Containers      1         0         5kB       5kB (100%)",
      "Local Volumes   2         1         4kB       1kB (25%)",
      "Build Cache     3         1         4kB       3kB (75%)",
    ]);
    assert.match(
      (await runPly(["system", "df", "-v"], { engine })).stdout,
      /Images space usage:\n\nREPOSITORY[\s\S]*Build cache usage: 4kB\n\nCACHE ID .*\n1{12} +regular +1kB .* 2 +true\n2{12}\*/,
    );
    const check = await runPly(["system", "check"], { engine });
    assert.equal(check.code, 1);
    assert.match(
      check.stdout,
      /^orphan: layers\/ab: nothing knows it\n4 layers and 8 manifests and configs verified\n/,
    );
  });
});
