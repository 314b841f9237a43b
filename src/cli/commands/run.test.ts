import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Duplex } from "node:stream";
import { after, before, describe, test } from "node:test";
import { encodeFrame } from "../../wire/index.ts";
import { startFailureCode } from "../session/index.ts";
import { type Answer, type FakeEngine, jsonLines, startFakeEngine } from "../testing/fake-engine.ts";
import { runPly } from "../testing/run.ts";

const UPGRADED = "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
const text = (stream: "stdout" | "stderr", words: string): Uint8Array =>
  encodeFrame({ stream, bytes: Buffer.from(words) });

/** An engine with one container, `c1`, that does what the test says once it was started. */
async function engineWithContainer(options: {
  readonly create?: Answer;
  readonly start?: Answer;
  readonly exitCode?: number;
  /** What the process does with its streams; returns when it ends. */
  readonly process: (socket: Duplex) => Promise<void> | void;
  readonly more?: Readonly<Record<string, Answer>>;
}): Promise<FakeEngine> {
  const attached = Promise.withResolvers<Duplex>();
  const exited = Promise.withResolvers<void>();
  return startFakeEngine(
    {
      "POST /containers/create": options.create ?? { status: 201, json: { Id: "c1", Warnings: [] } },
      "POST /containers/c1/start":
        options.start ??
        (async (_request, response) => {
          response.writeHead(204).end();
          const socket = await attached.promise;
          await options.process(socket);
          socket.end();
          exited.resolve();
        }),
      "POST /containers/c1/wait": async (_request, response) => {
        response.writeHead(200, { "Content-Type": "application/json" });
        response.flushHeaders();
        await exited.promise;
        response.end(JSON.stringify({ StatusCode: options.exitCode ?? 0 }));
      },
      "POST /containers/c1/resize": { json: null },
      ...options.more,
    },
    (socket: Duplex, _request: IncomingMessage) => {
      socket.on("error", () => {});
      socket.write(UPGRADED);
      attached.resolve(socket);
    },
  );
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
    assert.equal(order[0], "POST /containers/create");
    assert.equal(order.at(-1), "POST /containers/c1/start");
    const wait = engine.requests.find(({ path }) => path.endsWith("/wait"));
    assert.equal(wait?.query.get("condition"), "removed");
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
    const attach = engine.requests.find(({ path }) => path.endsWith("/attach"));
    assert.deepEqual(
      ["stream", "stdin", "stdout", "stderr"].map((name) => attach?.query.get(name)),
      ["1", "1", "1", "1"],
    );
  });

  test("a terminal is raw while it runs, told its size, and put back", async () => {
    let wasRaw: boolean | undefined;
    let stdioOf: { raw: () => boolean; signal: (name: NodeJS.Signals) => void } | undefined;
    const sizes: string[] = [];
    const resized = Promise.withResolvers<void>();
    await using engine = await engineWithContainer({
      process: async (socket) => {
        wasRaw = stdioOf?.raw();
        socket.write("raw \x1b[1mbytes");
        await resized.promise;
      },
      more: {
        "POST /containers/c1/resize": (request, response) => {
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
      process: async (socket) => {
        socket.on("data", (bytes: Buffer) => {
          if (!bytes.includes(0x11)) return;
          socket.end();
          typed.resolve();
        });
        await new Promise(() => {});
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
    let signal: ((name: NodeJS.Signals) => void) | undefined;
    await using engine = await engineWithContainer({
      exitCode: 143,
      process: async () => {
        signal?.("SIGTERM");
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
        signal = stdio.signal;
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
        start: { status: 400, json: { message } },
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
    let calls = 0;
    await using engine = await engineWithContainer({
      process: (socket) => void socket.write(text("stdout", "out")),
      create: (_request, response) => {
        calls++;
        response.writeHead(calls === 1 ? 404 : 201, { "Content-Type": "application/json" });
        response.end(
          JSON.stringify(
            calls === 1 ? { message: "No such image: debian:latest" } : { Id: "c1", Warnings: ["careful"] },
          ),
        );
      },
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
    const never = await runPly(["run", "--pull", "never", "debian"], {
      engine: await startFakeEngine({
        "POST /containers/create": { status: 404, json: { message: "No such image: debian:latest" } },
      }),
    });
    assert.equal(never.code, 125);
    assert.equal(never.stderr, "Error: No such image: debian:latest\n");
  });

  test("after a pull, Ctrl-C is the container's again", async () => {
    const signals: (string | null)[] = [];
    const twice = Promise.withResolvers<void>();
    let created = false;
    let stdioOf: { signal: (name: NodeJS.Signals) => void; listenedTo: () => readonly string[] } | undefined;
    let listeners: readonly string[] = [];
    await using engine = await engineWithContainer({
      process: async () => {
        listeners = stdioOf?.listenedTo() ?? [];
        stdioOf?.signal("SIGINT");
        stdioOf?.signal("SIGINT");
        await twice.promise;
      },
      create: (_request, response) => {
        response.writeHead(created ? 201 : 404, { "Content-Type": "application/json" });
        response.end(JSON.stringify(created ? { Id: "c1", Warnings: [] } : { message: "No such image: x" }));
        created = true;
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
