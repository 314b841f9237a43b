import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type BuildRoom, openBuildRoom } from "../support/build-room.ts";
import { importBusybox } from "../support/busybox.ts";
import { writeContext } from "../support/context-directory.ts";
import { unless } from "../support/needs.ts";
import { PLY_BINARY, startEngine, type TestEngine } from "../support/ply.ts";
import { until } from "../support/process.ts";
import { tarball } from "../support/tarball.ts";

interface Difference {
  readonly kind: string;
  readonly name: string;
  readonly before?: string;
  readonly after?: string;
  readonly change?: string;
}

interface Why {
  readonly kind: string;
  readonly differences?: readonly Difference[];
  readonly total?: number;
}

describe("ply build --explain", { skip: unless("root") }, () => {
  let room: BuildRoom;
  let engine: TestEngine;
  let contextOf: BuildRoom["contextOf"];

  before(async () => {
    room = await openBuildRoom();
    ({ engine, contextOf } = room);
  });
  after(() => room[Symbol.asyncDispose]());

  const write = (directory: string, files: Readonly<Record<string, string | Buffer>>): void =>
    writeContext(
      directory,
      Object.entries(files).map(([name, data]) => ({ name, data })),
    );
  /** Why each step that was not cached ran, by its instruction. */
  const whys = async (directory: string, ...flags: string[]): Promise<Record<string, Why>> => {
    const args = ["build", "--network", "none", "--explain", "--progress", "rawjson", ...flags, directory];
    const { stderr } = await engine.ply(args);
    const found: Record<string, Why> = {};
    for (const line of stderr.split("\n").filter((each) => each.startsWith("{"))) {
      const message = JSON.parse(line) as { readonly step?: { readonly text: string }; readonly why?: Why };
      if (message.step !== undefined && message.why !== undefined) found[message.step.text] = message.why;
    }
    return found;
  };
  /** One difference alone. */
  const only = (difference: Difference): Why => ({ kind: "changed", differences: [difference], total: 1 });

  test("what was never built says so, what is cached says nothing, what was pruned is known", async () => {
    const directory = contextOf("FROM bb:1\nCOPY a /a\nENV E=1\nRUN cat /a > /b\n", { a: "1" });
    assert.deepEqual(await whys(directory), {
      "COPY a /a": { kind: "new" },
      "ENV E=1": { kind: "new" },
      "RUN cat /a > /b": { kind: "new" },
    });
    assert.deepEqual(await whys(directory), {});
    assert.deepEqual((await whys(directory, "--no-cache"))["RUN cat /a > /b"], { kind: "no-cache" });
    await engine.must(["builder", "prune", "-af"]);
    assert.deepEqual((await whys(directory))["RUN cat /a > /b"], { kind: "pruned" });
  });

  test("a file: its content, mode, presence; what comes after it follows", async () => {
    const text = 'FROM bb:1\nWORKDIR /app\nCOPY . .\nRUN true\nCMD ["x"]\n';
    const directory = contextOf(text, { "src/a.js": "1", "src/b.js": "1", "src/c.js": "1" });
    await whys(directory);
    write(directory, { "src/a.js": "2" });
    const changed = await whys(directory);
    const [content] = changed["COPY . ."]?.differences ?? [];
    assert.deepEqual(
      { ...content, before: undefined, after: undefined },
      { kind: "file", name: "src/a.js", change: "content", before: undefined, after: undefined },
    );
    assert.match(content?.before ?? "", /^[0-9a-f]{16}$/);
    assert.notEqual(content?.before, content?.after);
    assert.equal(changed["COPY . ."]?.total, 1);
    assert.deepEqual(
      [changed["RUN true"]?.differences?.[0], changed['CMD ["x"]']?.differences?.[0]].map((each) => [
        each?.kind,
        each?.name,
      ]),
      [
        ["step", "COPY . ."],
        ["step", "COPY . ."],
      ],
    );
    chmodSync(join(directory, "src/b.js"), 0o755);
    assert.deepEqual(
      (await whys(directory))["COPY . ."],
      only({ kind: "file", name: "src/b.js", before: "644", after: "755", change: "mode" }),
    );
    rmSync(join(directory, "src/c.js"));
    write(directory, { "src/d.js": "1" });
    assert.deepEqual((await whys(directory))["COPY . ."], {
      kind: "changed",
      differences: [
        { kind: "file", name: "src/d.js", change: "added" },
        { kind: "file", name: "src/c.js", change: "removed" },
      ],
      total: 2,
    });
    for (let n = 0; n < 14; n++) write(directory, { [`many/${n}`]: "1" });
    await whys(directory);
    for (let n = 0; n < 14; n++) write(directory, { [`many/${n}`]: "2" });
    const many = (await whys(directory))["COPY . ."];
    assert.equal(many?.total, 14);
    assert.equal(many?.differences?.length, 10);
  });

  test("an ARG, an ENV, a command, flags, a USER; the order is that of the inputs", async () => {
    const text = (command: string, env: string): string =>
      `FROM bb:1\nARG VERSION=1\nENV E=${env}\nRUN ${command}\n`;
    const directory = contextOf(text("true one", "a"));
    await whys(directory);
    assert.deepEqual(
      (await whys(directory, "--build-arg", "VERSION=2"))["RUN true one"],
      only({ kind: "argument", name: "VERSION", before: "1", after: "2" }),
    );
    assert.deepEqual((await whys(directory, "--build-arg", "VERSION=2"))["RUN true one"], undefined);
    write(directory, { Dockerfile: text("true one", "b") });
    const environment = await whys(directory);
    assert.deepEqual(
      environment["RUN true one"],
      only({ kind: "environment", name: "E", before: "a", after: "b" }),
    );
    assert.deepEqual(
      environment["ENV E=b"],
      only({ kind: "instruction", name: "ENV E=b", before: "ENV E=a", after: "ENV E=b" }),
    );
    write(directory, { Dockerfile: text("true two", "b") });
    assert.deepEqual(
      (await whys(directory))["RUN true two"],
      only({ kind: "instruction", name: "RUN true two", before: "RUN true one", after: "RUN true two" }),
    );
    write(directory, { Dockerfile: text("true two", "b").replace("RUN", "USER 5\nRUN") });
    assert.deepEqual(
      (await whys(directory))["RUN true two"],
      only({ kind: "user", name: "user", before: "", after: "5" }),
    );
  });

  test("the base image, a stage, what a stage brings, mounts, archives", async () => {
    const text = `FROM base:1 AS tools
COPY tool /tool
FROM base:1
ADD in.tar /in/
COPY --from=tools /tool /bin/tool
RUN --mount=type=bind,source=bound,target=/bound cat /bound/x
RUN true last
`;
    const archive = (data: string): Buffer => Buffer.from(tarball([{ name: "dir/f", data }]));
    const files = { tool: "1", "bound/x": "1", "in.tar": archive("1") };
    const directory = contextOf(text, files);
    await engine.must(["tag", "bb:1", "base:1"]);
    await whys(directory);
    const fileIn = (why: Why | undefined): unknown => {
      const [first] = why?.differences ?? [];
      return { kind: first?.kind, name: first?.name, change: first?.change, total: why?.total };
    };
    write(directory, { tool: "2" });
    assert.deepEqual(fileIn((await whys(directory))["COPY --from=tools /tool /bin/tool"]), {
      kind: "file",
      name: "tools:tool",
      change: "content",
      total: 1,
    });
    write(directory, { "bound/x": "2" });
    const bound = await whys(directory);
    assert.deepEqual(fileIn(bound["RUN --mount=type=bind,source=bound,target=/bound cat /bound/x"]), {
      kind: "file",
      name: "bound/x",
      change: "content",
      total: 1,
    });
    write(directory, { "in.tar": archive("2") });
    assert.deepEqual(fileIn((await whys(directory))["ADD in.tar /in/"]), {
      kind: "file",
      name: "in.tar:dir/f",
      change: "content",
      total: 1,
    });
    const oldId = (await engine.must(["inspect", "--format", "{{.Id}}", "bb:1"])).stdout.trim();
    const newer = contextOf("FROM bb:1\nRUN echo newer > /newer\n");
    await engine.must(["build", "--network", "none", "-q", "-t", "base:1", newer]);
    const newId = (await engine.must(["inspect", "--format", "{{.Id}}", "base:1"])).stdout.trim();
    const rebased = await whys(directory);
    const base = { kind: "base", name: "base:1", before: oldId, after: newId };
    assert.deepEqual(rebased["RUN true last"], only(base));
    assert.deepEqual(rebased["FROM base:1"], only(base));
    assert.equal(rebased["COPY tool /tool"], undefined, "files are the same on any base");
  });

  test("builds in turn are compared with the nearest; names make a project too; secrets are nowhere", async () => {
    const directory = contextOf(
      "FROM bb:1\nARG WHICH\nCOPY a /a\nRUN --mount=type=secret,id=token cat /run/secrets/token > /dev/null\n",
      { a: "1", token: "s3cret-value" },
    );
    const secret = ["--secret", `id=token,src=${join(directory, "token")}`];
    for (const which of ["x", "y"])
      await whys(directory, ...secret, "--build-arg", `WHICH=${which}`, "-t", "named:1");
    write(directory, { a: "2" });
    const [, , run = ""] = readFileSync(join(directory, "Dockerfile"), "utf8").split("\n").slice(1);
    const near = await whys(directory, ...secret, "--build-arg", "WHICH=x", "-t", "named:1");
    assert.deepEqual(
      near[run]?.differences?.map(({ kind, name }) => `${kind} ${name}`),
      ["step COPY a /a"],
    );
    // Elsewhere, as a machine of a CI service has it: known by its name.
    const elsewhere = contextOf(readFileSync(join(directory, "Dockerfile"), "utf8"), {
      a: "3",
      token: "s3cret-value",
    });
    const moved = await whys(elsewhere, ...secret, "--build-arg", "WHICH=x", "-t", "named:1");
    assert.deepEqual(moved["COPY a /a"]?.kind, "changed");
    const traces = join(engine.root, "build/traces");
    assert.ok(readdirSync(traces).length > 0);
    const kept = [join(engine.root, "ply.db"), join(engine.root, "ply.db-wal")].map((path) =>
      readFileSync(path),
    );
    assert.ok(kept.every((bytes) => !bytes.includes("s3cret-value")));
  });

  test("the last step of the classic builder's answer is the image that was built, also with labels", async () => {
    const directory = contextOf(
      "FROM bb:1 AS one\nRUN true\nFROM bb:1\nCOPY --from=one /bin/sh /x\nENV A=1\n",
    );
    for (const labels of [[], ["--label", "b=2", "--label", "a=1"]]) {
      const { stdout } = await engine.docker(["build", "--network", "none", ...labels, directory], {
        env: { DOCKER_BUILDKIT: "0" },
      });
      const [, built] = /^Successfully built ([0-9a-f]{12})$/m.exec(stdout) ?? [];
      assert.equal(stdout.match(/^ ---> ([0-9a-f]{12})$/gm)?.at(-1), ` ---> ${built}`);
      if (labels.length > 0) assert.match(stdout, /^Step 6\/6 : LABEL a=1 b=2\n ---> /m);
    }
  });

  test("people read it at the end, whatever the view; also of a build that failed", async () => {
    const directory = contextOf("FROM bb:1\nCOPY a b c d e /x/\nRUN true\n", {
      ...{ a: "1", b: "1", c: "1", d: "1", e: "1" },
    });
    const told = async (...flags: string[]): Promise<string> => {
      const { stderr } = await engine.ply(["build", "--network", "none", "--explain", ...flags, directory]);
      return stderr.slice(stderr.indexOf("Why steps ran:"));
    };
    await told("--progress", "plain");
    for (const name of ["a", "b", "c", "d", "e"]) write(directory, { [name]: "2" });
    const text = await told("--progress", "plain");
    assert.match(
      text,
      /^Why steps ran:\n {2}\[2\/3\] COPY a b c d e \/x\/\n {6}a: content [0-9a-f]{16} → [0-9a-f]{16}\n(?: {6}[bc]: content .*\n){2} {6}and 2 more\n {2}\[3\/3\] RUN true\n {6}after a step that ran: COPY a b c d e \/x\/\n/,
    );
    write(directory, { Dockerfile: "FROM bb:1\nCOPY a b c d e /x/\nRUN false\n" });
    assert.match(await told("--progress", "tty"), /RUN false\n {6}instruction: RUN true → RUN false\n/);
    const quiet = await engine.ply(["build", "--network", "none", "--progress", "plain", directory]);
    assert.doesNotMatch(quiet.stderr, /Why/);
  });
});

describe("the build cache, shown and bounded", { skip: unless("root", "docker") }, () => {
  let room: BuildRoom;
  let engine: TestEngine;
  let work: string;

  before(async () => {
    room = await openBuildRoom();
    ({ engine, work } = room);
  });
  after(() => room[Symbol.asyncDispose]());

  const MEGABYTE = 1_000_000;
  /** Builds a layer of a megabyte that begins with this, and gives the image's id. */
  const build = async (on: TestEngine, word: string, ...flags: string[]): Promise<string> => {
    writeFileSync(join(work, "Dockerfile"), "FROM bb:1\nCOPY data /data\n");
    writeFileSync(join(work, "data"), word.padEnd(MEGABYTE, "."));
    return (await on.must(["build", "-q", "--network", "none", ...flags, work])).stdout.trim();
  };
  const records = async (on: TestEngine): Promise<readonly Record<string, unknown>[]> =>
    (
      JSON.parse((await on.request("GET", "/v1.50/system/df?type=build-cache")).text) as {
        BuildCache: readonly Record<string, unknown>[];
      }
    ).BuildCache;

  test("Docker's client shows what it costs: shared with an image nothing, alone its bytes; prune takes that", async () => {
    const image = await build(engine, "one");
    const [shared] = await records(engine);
    assert.deepEqual(
      { ...shared, ID: "", CreatedAt: "", LastUsedAt: "", Size: 0 },
      {
        ID: "",
        Type: "regular",
        Description: "COPY data /data",
        InUse: false,
        Shared: true,
        Size: 0,
        CreatedAt: "",
        LastUsedAt: "",
        UsageCount: 0,
      },
    );
    assert.ok(Number(shared?.["Size"]) > MEGABYTE);
    const summary = async (): Promise<string> =>
      (await engine.docker(["system", "df"])).stdout
        .split("\n")
        .find((line) => line.startsWith("Build Cache")) ?? "";
    assert.match(await summary(), /^Build Cache\s+1\s+0\s+0B\s+0B/);
    assert.match((await engine.docker(["builder", "prune", "-f"])).stdout, /Total reclaimed space: 0B/);
    assert.equal((await records(engine)).length, 1, "what an image has costs nothing and stays");

    await engine.must(["rmi", image]);
    assert.match(await summary(), /^Build Cache\s+1\s+0\s+1\.\d+MB\s+1\.\d+MB/);
    const verbose = (await engine.docker(["system", "df", "-v"])).stdout;
    assert.match(
      verbose,
      /Build cache usage: 1\.\d+MB\n\nCACHE ID\s+CACHE TYPE\s+SIZE\s+CREATED\s+LAST USED\s+USAGE\s+SHARED\n[0-9a-f]{12}\s+regular\s+1MB/,
    );
    assert.match(
      (await engine.must(["system", "df"])).stdout,
      /Build Cache +1 +0 +1\.\d+MB +1\.\d+MB \(100%\)/,
    );
    const du = (await engine.must(["builder", "du"])).stdout;
    assert.match(
      du,
      /^CACHE ID +CACHE TYPE +RECLAIMABLE .*\n[0-9a-f]{12} +regular +true +1MB .* COPY data \/data\n\nShared: +0B\nPrivate: +1MB\nReclaimable: +1MB\nTotal: +1MB\n$/,
    );
    const pruned = (await engine.docker(["builder", "prune", "-f"])).stdout;
    assert.match(pruned, /^Deleted build cache objects:\n[0-9a-f]{64}\n\nTotal reclaimed space: 1\.\d+MB\n$/);
    assert.deepEqual(await records(engine), []);
    assert.match(
      (await engine.must(["events", "--since", "1m", "--until", "0s", "--filter", "type=builder"])).stdout,
      /builder prune .*reclaimed=1\d{6}/,
    );
  });

  test("filters choose, limits keep the most recently used, system prune takes the rest", async () => {
    for (const word of ["a", "b", "c"]) await engine.must(["rmi", await build(engine, word)]);
    const prune = async (query: string): Promise<number> => {
      const { status, text } = await engine.request("POST", `/v1.50/build/prune?${query}`);
      assert.equal(status, 200, text);
      return (JSON.parse(text) as { CachesDeleted: string[] | null }).CachesDeleted?.length ?? 0;
    };
    const filters = (given: Record<string, string[]>): string =>
      `filters=${encodeURIComponent(JSON.stringify(given))}`;
    const [first] = await records(engine);
    assert.equal(await prune(filters({ until: ["1h"] })), 0);
    assert.equal(await prune(filters({ type: ["exec.cachemount"] })), 0);
    assert.equal(await prune(filters({ description: ["COPY x /x"] })), 0);
    assert.equal(await prune(filters({ label: ["a=b"] })), 0);
    assert.equal(await prune(filters({ id: [`^${first?.["ID"]}$`] })), 1);
    assert.equal(
      (await engine.request("POST", `/v1.50/build/prune?${filters({ until: ["1h"], "unused-for": ["1h"] })}`))
        .status,
      400,
    );
    assert.equal(await prune(`max-used-space=${5 * MEGABYTE}`), 0);
    assert.equal(await prune(`reserved-space=${1.5 * MEGABYTE}`), 1);
    assert.equal((await records(engine)).length, 1);
    const asked = await engine.ply(["system", "prune"], { stdin: "y\n" });
    assert.match(asked.stdout, / {2}- unused build cache\n/);
    assert.match(asked.stdout, /Deleted build cache objects:\n[0-9a-f]{64}\n/);
    assert.deepEqual(await records(engine), []);
  });

  test("what a build has is said to be in use, and no prune takes it; caches of RUN are listed as well", async () => {
    writeFileSync(
      join(work, "Dockerfile"),
      "FROM bb:1\nCOPY data /used\nRUN --mount=type=cache,id=mine,target=/c echo kept > /c/f && echo begun && sleep 1000\n",
    );
    writeFileSync(join(work, "data"), "used");
    const child = spawn(PLY_BINARY, ["build", "--network", "none", "--progress", "plain", work], {
      env: { ...process.env, PLY_HOST: engine.host },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
    await until("the step runs", () => /^#\d+ (?:[\d.]+ )?begun$/m.test(said));
    const inUse = async (): Promise<string[]> =>
      (await records(engine))
        .flatMap((each) => (each["InUse"] === true ? [String(each["Type"])] : []))
        .sort();
    assert.deepEqual(await inUse(), ["exec.cachemount", "regular"]);
    await engine.must(["builder", "prune", "-af"]);
    assert.deepEqual(await inUse(), ["exec.cachemount", "regular"]);
    assert.match(
      (await engine.must(["builder", "du", "--filter", "inuse=true"])).stdout,
      /^[0-9a-f]{12}\* /m,
    );
    child.kill("SIGINT");
    await until("nothing is in use", async () => (await inUse()).length === 0);
    const [mount] = JSON.parse(
      `[${(await engine.must(["builder", "du", "--filter", "type=exec.cachemount", "--format", "json"])).stdout.trim().split("\n").join(",")}]`,
    ) as Record<string, string>[];
    assert.deepEqual([mount?.["Size"], mount?.["Shared"]], ["5B", "false"]);
    const { stdout } = await engine.must(["builder", "prune", "-af"]);
    assert.match(stdout, /^Deleted build cache objects:\n[0-9a-f]+\n[0-9a-f]+\n\n/);
    assert.deepEqual(await records(engine), []);
  });

  test("what is beyond the limits goes by itself after builds, and is told", async () => {
    await using small = await startEngine({
      args: ["--builder-gc", "maxUsedSpace=2500kB,reservedSpace=1B,minFreeSpace=0"],
    });
    await importBusybox(small);
    for (const word of ["p", "q", "r", "s"]) await small.must(["rmi", await build(small, word)]);
    await until("the oldest goes", async () => (await records(small)).length === 3);
    await until("it is told", () =>
      /build cache: \d of \d records removed, 1\d{6} bytes reclaimed/.test(small.log()),
    );
    assert.match(
      (await small.must(["events", "--since", "10m", "--until", "0s", "--filter", "type=builder"])).stdout,
      /builder prune/,
    );
    const refused = await engine.ply([
      "serve",
      "--root",
      join(work, "r"),
      "--run-root",
      join(work, "rr"),
      "--builder-gc",
      "maxUsed=1",
    ]);
    assert.match(refused.stderr, /builder\.gc\.maxUsed: there is no such field/);
  });
});
