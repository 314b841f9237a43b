/**
 * The story of layers, told by a real engine: three tars become an image, the image's union shows which layer each
 * file comes from, a container changes it, the change becomes a fourth layer, builds make more images of it and say
 * why their steps ran, and all share the first layers.
 * Needs no registry. Everything is made below one temporary directory and removed at the end.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const ply = resolve(import.meta.dirname, "../dist/ply");
const home = mkdtempSync(join(tmpdir(), "ply-demo-"));
const root = join(home, "root");
const host = `unix://${join(home, "ply.sock")}`;
const colour = process.stdout.isTTY === true;
const paint = (code: number, text: string): string => (colour ? `\x1b[${code}m${text}\x1b[0m` : text);

interface Ran {
  readonly code: number | null;
  readonly output: string;
}

function run(command: string, args: readonly string[], stdin?: Uint8Array): Promise<Ran> {
  return new Promise((resolvePromise, reject) => {
    const child = spawn(command, args, { env: { ...process.env, PLY_HOST: host, HOME: home } });
    const chunks: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.stdin.on("error", () => {});
    child.stdin.end(stdin ?? "");
    child.on("error", reject);
    child.on("close", (code) => resolvePromise({ code, output: Buffer.concat(chunks).toString() }));
  });
}

/** Shows a command as one would type it, runs it, shows what it prints. */
async function show(args: readonly string[], stdin?: Uint8Array): Promise<string> {
  const quoted = args.map((word) => (/^[\w./:@=,%+-]+$/.test(word) ? word : `'${word}'`)).join(" ");
  console.log(paint(1, `$ ply ${quoted}`));
  const { code, output } = await run(ply, args, stdin);
  process.stdout.write(output.replace(/^(?=.)/gm, "  "));
  if (code !== 0) throw new Error(`ply ${quoted}: exit code ${code}`);
  return output;
}

function say(text: string): void {
  console.log(`\n${paint(36, text)}`);
}

/** A tar of a directory, with owners, order and times that are the same every time. */
async function tarOf(directory: string): Promise<Buffer> {
  const tar = join(home, "layer.tar");
  const options = ["--numeric-owner", "--owner=0", "--group=0", "--sort=name", "--mtime=@1700000000"];
  const { code, output } = await run("tar", ["-C", directory, ...options, "-cf", tar, "."]);
  if (code !== 0) throw new Error(output);
  return readFileSync(tar);
}

function makeTree(name: string, files: Readonly<Record<string, string | Uint8Array>>): string {
  const tree = join(home, name);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(tree, path, ".."), { recursive: true });
    writeFileSync(join(tree, path), content, { mode: path.startsWith("bin/") ? 0o755 : 0o644 });
  }
  return tree;
}

/** An OCI image layout over uncompressed layers, as a tar for `ply load`. */
async function layoutOf(
  name: string,
  layers: readonly { readonly tar: Buffer; readonly step: string }[],
): Promise<Buffer> {
  const layout = join(home, "layout");
  const blobs = join(layout, "blobs/sha256");
  mkdirSync(blobs, { recursive: true });
  const put = (bytes: Buffer, mediaType: string) => {
    const hex = createHash("sha256").update(bytes).digest("hex");
    writeFileSync(join(blobs, hex), bytes);
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
  };
  const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
  const descriptors = layers.map(({ tar }) => put(tar, "application/vnd.oci.image.layer.v1.tar"));
  const config = put(
    json({
      created: "2026-01-01T00:00:00Z",
      architecture: process.arch === "arm64" ? "arm64" : "amd64",
      os: "linux",
      config: { Cmd: ["cat", "/etc/motd"], Env: ["PATH=/bin"] },
      rootfs: { type: "layers", diff_ids: descriptors.map(({ digest }) => digest) },
      history: layers.map(({ step }) => ({ created: "2026-01-01T00:00:00Z", created_by: step })),
    }),
    "application/vnd.oci.image.config.v1+json",
  );
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const manifest = put(json({ schemaVersion: 2, mediaType, config, layers: descriptors }), mediaType);
  const annotations = { "org.opencontainers.image.ref.name": name };
  writeFileSync(join(layout, "oci-layout"), json({ imageLayoutVersion: "1.0.0" }));
  writeFileSync(
    join(layout, "index.json"),
    json({ schemaVersion: 2, manifests: [{ ...manifest, annotations }] }),
  );
  return tarOf(layout);
}

async function startEngine(): Promise<ChildProcess> {
  const log = join(home, "engine.log");
  const engine = spawn(
    "sh",
    ["-c", `exec '${ply}' serve --root '${root}' --run-root '${home}/run' -H '${host}' 2>'${log}'`],
    { stdio: "ignore" },
  );
  for (let tries = 0; tries < 500; tries++) {
    if (engine.exitCode !== null) throw new Error(`the engine did not start:\n${readFileSync(log, "utf8")}`);
    if (existsSync(join(home, "ply.sock")) && (await run(ply, ["version"])).code === 0) return engine;
    await new Promise((wait) => setTimeout(wait, 20));
  }
  throw new Error(`the engine does not answer:\n${readFileSync(log, "utf8")}`);
}

async function stop(engine: ChildProcess | undefined): Promise<void> {
  if (engine !== undefined && engine.exitCode === null) {
    engine.kill("SIGTERM");
    await new Promise((wait) => engine.once("exit", wait));
  }
  rmSync(home, { recursive: true, force: true });
}

async function story(): Promise<void> {
  const base = makeTree("base", {
    "bin/busybox": readFileSync("/usr/bin/busybox"),
    "etc/motd": "Welcome to the base image.\n",
    "etc/passwd": "root:x:0:0:root:/:/bin/sh\n",
    "usr/share/doc/manual.txt": "A manual that nobody needs at run time.\n".repeat(5000),
  });
  for (const applet of ["sh", "cat", "ls", "rm", "echo"]) symlinkSync("busybox", join(base, "bin", applet));
  const layers = [
    { tar: await tarOf(base), step: "base: Debian's busybox and a manual" },
    {
      tar: await tarOf(makeTree("second", { "etc/motd": "This text hides the one below.\n" })),
      step: "replace /etc/motd",
    },
    {
      tar: await tarOf(makeTree("third", { "usr/share/doc/.wh.manual.txt": "" })),
      step: "delete /usr/share/doc/manual.txt",
    },
  ];

  say(
    "1. An image is a stack of tars. Three of them: a base, one that replaces a file, one that deletes one (.wh.).",
  );
  await show(["load"], await layoutOf("demo:1", layers));
  await show(["history", "demo:1"]);

  say(
    "2. Nothing was unpacked: each layer is one tar and an index, the image is one small EROFS file over them.",
  );
  for (const folder of ["layers", "chains"])
    for (const name of readdirSync(join(root, folder))) {
      const path = join(root, folder, name);
      const files = statSync(path).isDirectory() ? readdirSync(path).map((file) => join(path, file)) : [path];
      for (const file of files)
        console.log(
          `  ${file
            .slice(root.length + 1)
            .replace(/([0-9a-f]{12})[0-9a-f]{52}/, "$1…")
            .padEnd(34)} ${statSync(file).size} bytes`,
        );
    }

  say(
    "3. The union of the layers, and the layer that each file comes from. The manual is gone, motd is the second layer's.",
  );
  await show(["image", "files", "demo:1"]);

  say("4. A container is that image, read-only, under one writable layer of its own.");
  await show(["run", "--rm", "--network", "none", "demo:1"]);
  await show([
    "run",
    "--name",
    "worker",
    "--network",
    "none",
    "demo:1",
    "sh",
    "-c",
    `echo "made in a container" > /etc/made; rm /etc/passwd`,
  ]);

  say("5. What it changed, and that change as one more layer of a new image.");
  await show(["diff", "worker"]);
  await show(["commit", "-m", "made by hand", "-c", 'CMD ["cat", "/etc/made"]', "worker", "demo:2"]);
  await show(["run", "--rm", "--network", "none", "demo:2"]);
  await show(["history", "demo:2"]);

  say("6. A Dockerfile of two stages; then one file changes, and the build says what that made run anew.");
  const context = makeTree("context", {
    Dockerfile: [
      "FROM demo:1 AS build",
      "WORKDIR /src",
      "COPY src .",
      "RUN tr a-z A-Z < motd > /motd",
      "FROM demo:1",
      "COPY --from=build /motd /etc/motd",
      "",
    ].join("\n"),
    "src/motd": "built, not told\n",
  });
  console.log(readFileSync(join(context, "Dockerfile"), "utf8").replace(/^(?=.)/gm, "  | "));
  await show(["build", "-q", "--network", "none", "-t", "demo:3", context]);
  makeTree("context", { "src/motd": "built again\n" });
  await show(["build", "--network", "none", "--explain", "-t", "demo:4", context]);
  await show(["run", "--rm", "--network", "none", "demo:4"]);

  say("7. All images share the first three layers: they are on disk once.");
  await show(["images", "--sizes"]);
  const sizes = (
    await run(ply, ["inspect", "--format", "{{.Size}}", "demo:1", "demo:2", "demo:3", "demo:4"])
  ).output
    .trim()
    .split("\n")
    .map(Number);
  const apart = sizes.reduce((sum, size) => sum + size, 0);
  const once = Math.max(...sizes);
  console.log(`  Apart they would take ${apart} bytes; sharing saves ${apart - once}.`);
  await show(["rm", "worker"]);
  await show(["system", "check"]);
}

let engine: ChildProcess | undefined;
let interrupted = false;
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => {
    interrupted = true;
    void stop(engine).then(() => process.exit(130));
  });
const startedAt = performance.now();
try {
  engine = await startEngine();
  await story();
} catch (error) {
  if (!interrupted) console.error(paint(31, String(error instanceof Error ? error.message : error)));
  process.exitCode = 1;
} finally {
  await run(ply, ["rm", "-f", "worker"]).catch(() => undefined);
  await stop(engine);
}
if (process.exitCode === undefined)
  console.log(
    `\nDone in ${((performance.now() - startedAt) / 1000).toFixed(1)} s; everything made for this was removed.`,
  );
