import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Duplex } from "node:stream";
import { after, before, describe, test } from "node:test";
import { type ErrorBody, encodeFrame, type PlyRunMessage } from "../../wire/index.ts";
import { startFailureCode } from "../session/index.ts";
import { type Answer, type FakeEngine, jsonLines, startFakeEngine } from "../testing/fake-engine.ts";
import { runPly } from "../testing/run.ts";

const UPGRADED = "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
const text = (stream: "stdout" | "stderr", words: string): Uint8Array =>
  encodeFrame({ stream, bytes: Buffer.from(words) });
const message = (said: PlyRunMessage): Uint8Array =>
  encodeFrame({ stream: "system", bytes: Buffer.from(`${JSON.stringify(said)}\n`) });

/** An engine that runs one container, `c1`, which does what the test says once it was started. */
async function engineWithContainer(options: {
  /** Refuses the first of the requests with this. */
  readonly refusal?: { readonly status: number; readonly message: string };
  readonly warnings?: readonly string[];
  readonly tty?: boolean;
  readonly failure?: ErrorBody;
  readonly exitCode?: number | null;
  /** What the process does with its streams; returns when it ends. */
  readonly process: (socket: Duplex) => Promise<void> | void;
  readonly more?: Readonly<Record<string, Answer>>;
}): Promise<FakeEngine> {
  let refusal = options.refusal;
  return startFakeEngine(
    { "POST /containers/c1/resize": { json: null }, ...options.more },
    async (socket: Duplex) => {
      socket.on("error", () => {});
      if (refusal !== undefined) {
        const body = JSON.stringify({ message: refusal.message });
        socket.end(`HTTP/1.1 ${refusal.status} Failed\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
        refusal = undefined;
        return;
      }
      const { tty = false, warnings = [], failure, exitCode = 0 } = options;
      socket.write(UPGRADED);
      socket.write(message({ type: "attached", id: "c1", tty, warnings }));
      if (failure !== undefined) return void socket.end(message({ type: "failed", error: failure }));
      if (tty) socket.write(message({ type: "started" }));
      await options.process(socket);
      socket.end(message({ type: "ended", exitCode }));
    },
  );
}

interface Listening {
  signal(name: NodeJS.Signals): void;
  listenedTo(): readonly string[];
}

/** Waits until the client passes signals on; returns which it listens to. */
async function listened(stdio: Listening | undefined): Promise<readonly string[]> {
  while (!stdio?.listenedTo().includes("SIGTERM")) await new Promise((resolve) => setImmediate(resolve));
  return stdio.listenedTo();
}

let dir = "";
before(async () => {
  dir = await mkdtemp(join(tmpdir(), "ply-cli-test-"));
});
after(() => rm(dir, { recursive: true, force: true }));

describe("ply run", () => {
  test("shows both streams and exits as the command does", async () => {
    await using engine = await engineWithContainer({
      exitCode: 42,
      process: (socket) => {
        socket.write(text("stdout", "to out\n"));
        socket.write(text("stderr", "to err\n"));
      },
    });
    const { code, stdout, stderr } = await runPly(["run", "--rm", "debian", "sh", "-c", "exit 42"], {
      engine,
    });
    assert.deepEqual({ code, stdout, stderr }, { code: 42, stdout: "to out\n", stderr: "to err\n" });
    const order = engine.requests.map(({ method, path }) => `${method} ${path}`);
    assert.deepEqual(order, ["POST /ply/containers/run"]);
    const body = JSON.parse(engine.requests[0]?.body ?? "") as { HostConfig: { AutoRemove: boolean } };
    assert.equal(body.HostConfig.AutoRemove, true);
  });

  test("passes stdin on and closes it at its end", async () => {
    await using engine = await engineWithContainer({
      process: async (socket) => {
        let got = "";
        for await (const chunk of socket.iterator({ destroyOnReturn: false })) got += String(chunk);
        socket.write(text("stdout", `got ${got}`));
      },
    });
    const { stdout } = await runPly(["run", "-i", "debian", "cat"], { engine, input: ["one ", "two"] });
    assert.equal(stdout, "got one two");
    const body = JSON.parse(engine.requests[0]?.body ?? "") as { AttachStdin: boolean; StdinOnce: boolean };
    assert.deepEqual([body.AttachStdin, body.StdinOnce], [true, true]);
  });

  test("a terminal is raw while it runs, told its size, and put back", async () => {
    let wasRaw: boolean | undefined;
    let stdioOf: { raw: () => boolean; signal: (name: NodeJS.Signals) => void } | undefined;
    const sizes: string[] = [];
    const resized = Promise.withResolvers<void>();
    await using engine = await engineWithContainer({
      tty: true,
      process: async (socket) => {
        socket.write(text("stdout", "raw \x1b[1mbytes"));
        await resized.promise;
      },
      more: {
        "POST /containers/c1/resize": (request, response) => {
          wasRaw = stdioOf?.raw();
          sizes.push(`${request.query.get("w")}x${request.query.get("h")}`);
          response.writeHead(200).end();
          if (sizes.length === 1) stdioOf?.signal("SIGWINCH");
          else resized.resolve();
        },
      },
    });
    const { stdout, stdio } = await runPly(["run", "-it", "debian"], {
      engine,
      terminals: ["stdin", "stdout"],
      size: { columns: 91, rows: 33 },
      inputStaysOpen: true,
      during: (stdio) => {
        stdioOf = stdio;
      },
    });
    assert.equal(wasRaw, true);
    assert.equal(stdio.raw(), false);
    assert.equal(stdout, "raw \x1b[1mbytes");
    assert.deepEqual(sizes, ["91x33", "91x33"]);
    assert.deepEqual(stdio.listenedTo(), []);
    const body = JSON.parse(engine.requests[0]?.body ?? "") as {
      Tty: boolean;
      HostConfig: { ConsoleSize: number[] };
    };
    assert.equal(body.Tty, true);
    assert.deepEqual(body.HostConfig.ConsoleSize, [33, 91]);
  });

  test("-t without a terminal is refused before anything is made", async () => {
    await using engine = await startFakeEngine({});
    const { code, stderr } = await runPly(["run", "-it", "debian"], { engine });
    assert.equal(code, 1);
    assert.equal(stderr, "the input device is not a TTY\n");
    assert.equal(engine.requests.length, 0);
  });

  test("the keys that detach leave it running", async () => {
    const typed = Promise.withResolvers<void>();
    await using engine = await engineWithContainer({
      tty: true,
      exitCode: null,
      process: async (socket) => {
        socket.on("data", (bytes: Buffer) => {
          if (bytes.includes(0x11)) typed.resolve();
        });
        await typed.promise;
      },
    });
    const { code } = await runPly(["run", "-it", "debian"], {
      engine,
      terminals: ["stdin"],
      input: ["ls\r", "\x10\x11"],
      inputStaysOpen: true,
    });
    await typed.promise;
    assert.equal(code, 0);
  });

  test("signals are passed on", async () => {
    const killed = Promise.withResolvers<string | null>();
    let stdioOf: Listening | undefined;
    await using engine = await engineWithContainer({
      exitCode: 143,
      process: async () => {
        await listened(stdioOf);
        stdioOf?.signal("SIGTERM");
        await killed.promise;
      },
      more: {
        "POST /containers/c1/kill": (request, response) => {
          response.writeHead(204).end();
          killed.resolve(request.query.get("signal"));
        },
      },
    });
    const { code } = await runPly(["run", "debian"], {
      engine,
      during: (stdio) => {
        stdioOf = stdio;
      },
    });
    assert.equal(await killed.promise, "TERM");
    assert.equal(code, 143);
  });

  test("a command that is not there is 127, one that cannot run 126, anything else 125; --rm leaves nothing", async () => {
    for (const [message, expected] of [
      ["exec: nope: executable file not found in $PATH", 127],
      ["exec: /etc: permission denied", 126],
      ["no cgroups here", 125],
    ] as const) {
      await using engine = await engineWithContainer({
        process: () => {},
        failure: { message },
        more: { "DELETE /containers/c1": { status: 204, json: null } },
      });
      const { code, stderr } = await runPly(["run", "--rm", "debian", "nope"], { engine });
      assert.equal(code, expected);
      assert.equal(stderr, `Error: ${message}\n`);
      assert.ok(engine.requests.some(({ method }) => method === "DELETE"));
    }
    assert.equal(startFailureCode("OCI: exec format error"), 126);
  });

  test("a missing image is pulled, with words on stderr, and created again", async () => {
    const refusal = { status: 404, message: "No such image: debian:latest" };
    await using engine = await engineWithContainer({
      refusal,
      warnings: ["careful"],
      process: (socket) => void socket.write(text("stdout", "out")),
      more: {
        "POST /ply/images/pull": jsonLines(
          {
            type: "pulled",
            reference: "debian",
            name: "debian:latest",
            id: "x",
            digest: "sha256:1",
            changed: true,
          },
          { type: "done" },
        ),
      },
    });
    const { stdout, stderr, code } = await runPly(["run", "debian"], { engine });
    assert.equal(code, 0);
    assert.equal(stdout, "out");
    assert.match(
      stderr,
      /^Unable to find image 'debian:latest' locally\nDigest: sha256:1\nStatus: .*\n.*\nWARNING: careful\n$/,
    );
    await using other = await engineWithContainer({ refusal, process: () => {} });
    const never = await runPly(["run", "--pull", "never", "debian"], { engine: other });
    assert.equal(never.code, 125);
    assert.equal(never.stderr, "Error: No such image: debian:latest\n");
  });

  test("after a pull, Ctrl-C is the container's again", async () => {
    const signals: (string | null)[] = [];
    const twice = Promise.withResolvers<void>();
    let stdioOf: Listening | undefined;
    let listeners: readonly string[] = [];
    await using engine = await engineWithContainer({
      refusal: { status: 404, message: "No such image: x" },
      process: async () => {
        listeners = await listened(stdioOf);
        stdioOf?.signal("SIGINT");
        stdioOf?.signal("SIGINT");
        await twice.promise;
      },
      more: {
        "POST /ply/images/pull": jsonLines({ type: "done" }),
        "POST /containers/c1/kill": (request, response) => {
          response.writeHead(204).end();
          if (signals.push(request.query.get("signal")) === 2) twice.resolve();
        },
      },
    });
    const { code } = await runPly(["run", "x"], {
      engine,
      during: (stdio) => {
        stdioOf = stdio;
      },
    });
    assert.equal(code, 0);
    assert.deepEqual(signals, ["INT", "INT"]);
    assert.equal(listeners.filter((name) => name === "SIGINT").length, 1);
  });

  test("-d prints the id", async () => {
    await using engine = await startFakeEngine({
      "POST /containers/create": { status: 201, json: { Id: "c1", Warnings: [] } },
      "POST /containers/c1/start": { status: 204, json: null },
    });
    const cidfile = join(dir, "cid");
    const { stdout } = await runPly(["run", "-d", "--cidfile", cidfile, "debian"], { engine });
    assert.equal(stdout, "c1\n");
    assert.equal(await readFile(cidfile, "utf8"), "c1");
    const again = await runPly(["run", "-d", "--cidfile", cidfile, "debian"], { engine });
    assert.equal(again.code, 125);
    assert.match(again.stderr, /container ID file found/);
  });

  test("flags become Docker's create body; words after the image are the command's", async () => {
    await using engine = await startFakeEngine({
      "POST /containers/create": { status: 201, json: { Id: "c1", Warnings: [] } },
    });
    const envFile = join(dir, "env");
    await writeFile(envFile, "# note\nFROM_FILE=1\n  INDENTED=2\r\nHOST_VAR\n\n");
    const { stdout } = await runPly(
      [
        ..."create --name web -e A=b=c -e HOST_VAR -e NOT_SET -w /src -u 1:2 --entrypoint /bin/e".split(" "),
        ..."-v /a:/b:ro -v vol:/c -v ./here:/d -v ..:/e -v .hidden:/f --network host --hostname h -l x=y -l z --privileged --cap-add NET_ADMIN".split(
          " ",
        ),
        ..."--cap-drop=ALL --read-only --rm --stop-signal INT --platform linux/amd64 --security-opt no-new-privileges".split(
          " ",
        ),
        "--env-file",
        envFile,
        ..."debian sh --name not-a-flag -it".split(" "),
      ],
      { engine, env: { HOST_VAR: "from host" } },
    );
    assert.equal(stdout, "c1\n");
    const [request] = engine.requests;
    assert.equal(request?.query.get("name"), "web");
    assert.equal(request?.query.get("platform"), "linux/amd64");
    assert.deepEqual(JSON.parse(request?.body ?? ""), {
      Image: "debian",
      Cmd: ["sh", "--name", "not-a-flag", "-it"],
      Entrypoint: ["/bin/e"],
      Env: ["FROM_FILE=1", "INDENTED=2", "HOST_VAR=from host", "A=b=c", "HOST_VAR=from host"],
      WorkingDir: "/src",
      User: "1:2",
      Hostname: "h",
      Labels: { x: "y", z: "" },
      Tty: false,
      OpenStdin: false,
      StdinOnce: false,
      AttachStdin: false,
      AttachStdout: true,
      AttachStderr: true,
      StopSignal: "INT",
      HostConfig: {
        Binds: ["/a:/b:ro", "vol:/c", `${resolve("here")}:/d`, `${resolve("..")}:/e`, ".hidden:/f"],
        NetworkMode: "host",
        AutoRemove: true,
        ReadonlyRootfs: true,
        Privileged: true,
        CapAdd: ["NET_ADMIN"],
        CapDrop: ["ALL"],
        SecurityOpt: ["no-new-privileges"],
      },
    });
    const bad = await runPly(["run", "--env-file", join(dir, "nope"), "x"], { engine });
    assert.equal(bad.code, 125);
    assert.match(bad.stderr, /cannot read the --env-file/);
  });
});
