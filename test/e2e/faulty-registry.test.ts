import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { unless } from "../support/needs.ts";
import { writeOciLayout } from "../support/oci-layout.ts";
import { startEngine, type TestEngine } from "../support/ply.ts";
import { must, until } from "../support/process.ts";
import {
  type Fault,
  type FaultyProxy,
  type FaultyRequest,
  type RegistryFixture,
  startFaultyProxy,
  startRegistry,
} from "../support/registry.ts";
import { busyboxMembers, tarball } from "../support/tarball.ts";

const LAYER_BYTES = 3_000_000;
const HTML = "<html><body>Welcome to the hotel's network. Please log in.</body></html>";

/** A real registry behind a line that breaks, stalls, lies: what a pull makes of it. */
describe("a registry behind a bad line", {
  skip: unless("root", "docker-registry", "skopeo"),
  timeout: 300_000,
}, () => {
  let work: string;
  let engine: TestEngine;
  let registry: RegistryFixture;
  let proxy: FaultyProxy;
  let plan: (request: FaultyRequest) => Fault | undefined;
  /** The path of the one large blob. */
  let blob: string;

  before(async () => {
    work = mkdtempSync(join(tmpdir(), "ply-faulty-"));
    const config = join(work, "config");
    mkdirSync(config);
    // Long enough for an honest registry on a busy machine.
    writeFileSync(join(config, "registries.json"), '{"stallTimeoutSeconds":1.5,"retries":2}');
    registry = await startRegistry();
    engine = await startEngine({ args: ["--config", config] });
    const [written] = writeOciLayout(join(work, "layout"), [
      {
        tag: "1",
        layers: [
          { tar: tarball(busyboxMembers()) },
          { tar: tarball([{ name: "opt/data", data: randomBytes(LAYER_BYTES) }]) },
        ],
      },
    ]);
    blob = `/v2/faulty/blobs/${written?.layers[1]?.digest}`;
    const target = `docker://${registry.host}/faulty:1`;
    await must("skopeo", ["copy", "-q", "--dest-tls-verify=false", `oci:${join(work, "layout")}:1`, target]);
  });
  after(async () => {
    await engine[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
    rmSync(work, { recursive: true, force: true });
  });
  afterEach(async () => {
    await proxy?.stop();
  });

  /** The image's name at a new proxy with this plan. */
  const behind = async (faults: typeof plan): Promise<string> => {
    plan = faults;
    proxy = await startFaultyProxy(registry.url, (request) => plan(request));
    return `${proxy.host}/faulty:1`;
  };
  const partsKept = (): string[] => readdirSync(join(engine.root, "ingest"));
  /** Where the requests for the large blob began. */
  const offsets = (): number[] =>
    proxy.requests
      .filter(({ path, method }) => path === blob && method === "GET")
      .map(({ headers }) => Number(/^bytes=(\d+)-$/.exec(headers["range"] ?? "bytes=0-")?.[1]));

  async function soundAndEmpty(image: string): Promise<void> {
    await engine.must(["rmi", "-f", image]);
    assert.deepEqual(partsKept(), []);
    const check = await engine.ply(["system", "check"]);
    assert.equal(check.code, 0, check.stdout + check.stderr);
    for (const directory of ["layers", "chains", "blobs/sha256"])
      assert.deepEqual(readdirSync(join(engine.root, directory)), []);
  }

  /** The pull succeeds, the image is whole, and gone without a trace when removed. */
  async function succeeds(image: string): Promise<void> {
    await engine.must(["pull", image]);
    const ran = await engine.must(["run", "--rm", "--network", "none", image, "wc", "-c", "/opt/data"]);
    assert.equal(ran.stdout, `${LAYER_BYTES} /opt/data\n`);
    await soundAndEmpty(image);
  }

  /** The pull fails with these words; on a good line the next one works. */
  async function fails(image: string, words: RegExp): Promise<void> {
    const pulled = await engine.ply(["pull", image]);
    assert.equal(pulled.code, 1, pulled.stdout);
    assert.match(pulled.stderr, words);
    assert.doesNotMatch(pulled.stderr, /internal|\bat .*\.ts:\d+|TypeError|undefined/);
    assert.equal((await engine.must(["images", "-aq"])).stdout, "", "no partial image");
    assert.deepEqual(
      partsKept().filter((name) => !name.endsWith(".part")),
      [],
      "no temporary files",
    );
    const check = await engine.ply(["system", "check"]);
    assert.equal(check.code, 0, check.stdout + check.stderr);
    plan = () => undefined;
    await succeeds(image);
  }

  const onBlob =
    (fault: Fault | ((nth: number) => Fault | undefined)): typeof plan =>
    ({ path }) => {
      if (path !== blob) return undefined;
      return typeof fault === "function" ? fault(offsets().length - 1) : fault;
    };

  for (const kind of ["reset", "truncate"] as const)
    test(`${kind} after each 400 kB: the pull goes on from every break`, async () => {
      const image = await behind(onBlob({ kind, afterBytes: 400_000 }));
      await succeeds(image);
      const steps = offsets().map((offset, nth, all) => offset - (all[nth - 1] ?? 0));
      assert.ok(steps.length >= 8, "nothing comes twice, nothing is left out");
      // A reset takes what is still on its way with it: on a busy machine everything.
      for (const step of steps.slice(1))
        assert.ok(kind === "reset" ? step >= 0 && step <= 400_000 : step === 400_000, steps.join());
    });

  test("a reset at every first answer, whatever is asked for", async () => {
    const seen = new Set<string>();
    const image = await behind(({ path }) => {
      if (seen.has(path)) return undefined;
      seen.add(path);
      return { kind: "reset", afterBytes: 0 };
    });
    await succeeds(image);
  });

  test("a server that ignores the Range after a break", async () => {
    const image = await behind(
      onBlob((nth) => (nth === 0 ? { kind: "reset", afterBytes: 1_000_000 } : { kind: "ignore-range" })),
    );
    await succeeds(image);
  });

  test("a line that stalls once", async () => {
    const image = await behind(
      onBlob((nth) => (nth === 0 ? { kind: "stall", afterBytes: 1_000_000 } : undefined)),
    );
    await succeeds(image);
    assert.deepEqual(offsets(), [0, 1_000_000]);
  });

  test("endless stalls: given up, and the next pull goes on from the bytes that came", async () => {
    const image = await behind(onBlob((nth) => ({ kind: "stall", afterBytes: nth === 0 ? 1_000_000 : 0 })));
    await fails(image, /stopped answering: no byte in 1\.5 s.*gave up at byte 1000000 of \d+ after 3 tries/);
    assert.deepEqual(offsets(), [0, 1_000_000, 1_000_000, 1_000_000, 1_000_000]);
  });

  test("no answer at all, from the first request on", async () => {
    const image = await behind(() => ({ kind: "stall", afterBytes: 0 }));
    // The proxy sends heads at once: stall them too.
    await fails(image, /stopped answering: no byte in 1\.5 s/);
  });

  test("an engine that is killed while the line stalls goes on from there", async () => {
    const image = await behind(onBlob({ kind: "stall", afterBytes: 1_000_000 }));
    const pulling = engine.ply(["pull", image]);
    // The last bytes before a stall may still be in memory.
    const part = join(engine.root, "ingest", `${blob.split(":")[1]}.part`);
    await until("the part is on disk", () => existsSync(part) && statSync(part).size >= 900_000);
    await engine.kill("SIGKILL");
    assert.notEqual((await pulling).code, 0);
    await engine.start();
    plan = () => undefined;
    const before = offsets().length;
    await succeeds(image);
    const [from = 0, ...more] = offsets().slice(before);
    assert.ok(from >= 900_000, `it began at ${from}`);
    assert.deepEqual(more, []);
  });

  for (const delta of [100, -100])
    test(`a Content-Length that lies by ${delta}`, async () => {
      const image = await behind(onBlob({ kind: "lie", delta }));
      await fails(image, /the registry has \d+ bytes, not \d+/);
    });

  test("a byte that is changed on the way", async () => {
    const image = await behind(onBlob({ kind: "corrupt", atByte: 1_500_000 }));
    await fails(image, /digest sha256:[0-9a-f]{64}, not sha256:/);
  });

  const page = (status: number, headers: Record<string, string> = {}): Fault => ({
    kind: "answer",
    status,
    headers,
    body: HTML,
  });
  const places: readonly [string, (path: string) => boolean][] = [
    ["/v2/", (path) => path === "/v2/"],
    ["a manifest", (path) => path.includes("/manifests/")],
    ["a layer", (path) => path === blob],
  ];
  for (const [place, isAt] of places)
    test(`a web page in place of ${place}`, async () => {
      const image = await behind(({ path }) => (isAt(path) ? page(200) : undefined));
      await fails(image, /web page|HTML|text\/html/i);
    });

  test("a redirect in a circle", async () => {
    const image = await behind(({ path }) => (path === blob ? page(307, { Location: path }) : undefined));
    await fails(image, /redirect/);
  });

  test("503 for a while, then for ever", async () => {
    const image = await behind(onBlob((nth) => (nth < 2 ? page(503) : undefined)));
    await succeeds(image);
    plan = onBlob(page(503));
    await fails(image, /503/);
  });

  test("429 with Retry-After is heeded", async () => {
    const image = await behind(onBlob((nth) => (nth === 0 ? page(429, { "Retry-After": "1" }) : undefined)));
    await succeeds(image);
  });

  const nonsense: readonly [string, string][] = [
    ["another protocol", "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"],
    ["nothing", ""],
    ["a header of 4 MB", `HTTP/1.1 200 OK\r\nX-Long: ${"x".repeat(4_000_000)}\r\n\r\n`],
    ["lengths that contradict", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 50\r\n\r\nhello"],
    ["a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello"],
    [
      "a chunk of impossible size",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx",
    ],
  ];
  for (const [what, bytes] of nonsense)
    test(`${what} in place of an answer`, async () => {
      const image = await behind(onBlob({ kind: "raw", bytes }));
      await fails(image, /127\.0\.0\.1:\d+/);
      plan = () => ({ kind: "raw", bytes });
      const pulled = await engine.ply(["pull", `${proxy.host}/other:1`]);
      assert.equal(pulled.code, 1);
      assert.match(pulled.stderr, /127\.0\.0\.1:\d+/);
    });
});
