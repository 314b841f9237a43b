import { randomUUID } from "node:crypto";
import { chmodSync, chownSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join, posix } from "node:path";
import { parseRunMount, type RunInstruction, type RunMount } from "../dockerfile/index.ts";
import { PlyError } from "../error.ts";
import { resolveInTree } from "../layer/index.ts";
import type { BuildStep, HostMount } from "./build.ts";
import { keyOf, type StepInput } from "./cache.ts";
import { notFound } from "./copy-files.ts";
import { byteString, type FileTree, walkTree } from "./file-tree.ts";
import { contextOf, treeFrom } from "./origin.ts";
import type { StageWork } from "./session.ts";
import { writeTree } from "./write-tree.ts";

/** What `RUN --mount` comes to; dispose it when the command has ended. */
export interface RunMounts extends AsyncDisposable {
  readonly mounts: readonly HostMount[];
  /** Secrets that come as variables, and where the agent's socket is. */
  readonly env: readonly (readonly [string, string])[];
  /** What of the mounts the step's result depends on. */
  readonly inputs: readonly StepInput[];
}

/** Where a heredoc with a `#!` line of its own lies while it runs. */
export const SCRIPT_PATH = "/dev/pipes/EOF";

interface Opened {
  readonly mount?: HostMount;
  readonly env?: readonly (readonly [string, string])[];
  readonly inputs?: readonly StepInput[];
}

/** Everything that must be taken away again. */
interface Places {
  readonly stack: AsyncDisposableStack;
  /** A new path of ours for one file or directory. */
  fresh(kind: "spool" | "secrets"): string;
}

/** Prepares the mounts of a `RUN`. Throws "invalid" or "not-found" naming the mount. */
export async function openMounts(
  work: StageWork,
  { mounts: texts }: RunInstruction,
  step: BuildStep,
  script: string | undefined,
): Promise<RunMounts> {
  await using stack = new AsyncDisposableStack();
  const places: Places = {
    stack,
    fresh(kind) {
      const path = join(work.session.parts[kind], randomUUID());
      stack.defer(() => rm(path, { recursive: true, force: true }));
      return path;
    },
  };
  const opened: Opened[] = [];
  for (const text of texts) {
    const mount = parseRunMount(text, work.variables.expand);
    opened.push(await openOne(work, mount, step, places));
  }
  if (script !== undefined) {
    const path = places.fresh("spool");
    writeFileSync(path, script, { mode: 0o755, flag: "wx" });
    opened.push({ mount: { kind: "bind", source: path, target: SCRIPT_PATH, readOnly: true } });
  }
  const held = stack.move();
  return {
    mounts: opened.flatMap(({ mount }) => (mount === undefined ? [] : [mount])),
    env: opened.flatMap(({ env = [] }) => env),
    inputs: opened.flatMap(({ inputs = [] }) => inputs),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

async function openOne(work: StageWork, mount: RunMount, step: BuildStep, places: Places): Promise<Opened> {
  const target = posix.resolve("/", work.config.WorkingDir ?? "/", mount.target ?? "");
  switch (mount.type) {
    case "tmpfs":
      return {
        mount: {
          kind: "tmpfs",
          source: "",
          target,
          readOnly: false,
          ...(mount.sizeBytes === undefined ? {} : { sizeBytes: mount.sizeBytes }),
        },
        inputs: [["mount", JSON.stringify(mount)]],
      };
    case "bind":
      return openBind(work, mount, { target, step, places });
    case "cache":
      return openCache(work, mount, { target, step, places });
    case "secret":
      return openSecret(work, mount, { target, places });
    case "ssh":
      return openAgent(work, mount, { target });
  }
}

async function openBind(
  work: StageWork,
  mount: Extract<RunMount, { type: "bind" }>,
  { target, step, places }: { readonly target: string; readonly step: BuildStep; readonly places: Places },
): Promise<Opened> {
  const { tree, path, node } = await sourceOf(work, mount, step);
  const inputs: StepInput[] = [["mount", JSON.stringify({ ...mount, from: undefined })]];
  for (const [below, each] of walkTree(path, node)) {
    const digest = each.type === "file" ? await tree.digestOf(below, each) : each.linkTarget;
    inputs.push([`${target}: ${below}`, `${each.type} ${each.mode} ${digest}`]);
  }
  const source = places.fresh("spool");
  await writeTree({ tree, path, node }, source);
  return { mount: { kind: "bind", source, target, readOnly: mount.readOnly }, inputs };
}

async function sourceOf(
  work: StageWork,
  { from, source }: { readonly from: string | undefined; readonly source: string },
  step: BuildStep,
): Promise<{ tree: FileTree; path: string; node: FileTree["root"] }> {
  const tree = from === undefined ? contextOf(work.session, "RUN --mount") : await treeFrom(work, from, step);
  const { path, node } = resolveInTree(tree.root, byteString(source));
  if (node === undefined) throw notFound("RUN --mount", source);
  return { tree, path, node };
}

async function openCache(
  work: StageWork,
  mount: Extract<RunMount, { type: "cache" }>,
  { target, step, places }: { readonly target: string; readonly step: BuildStep; readonly places: Places },
): Promise<Opened> {
  const { cacheMounts } = work.session.parts;
  const name = keyOf("cache mount", [["id", mount.id]]).slice(0, 32);
  const held = await cacheMounts.hold(name, mount, work.session.signal);
  places.stack.defer(() => held.release());
  const isNew = !existsSync(held.directory);
  if (isNew && mount.from !== undefined)
    await writeTree(await sourceOf(work, { ...mount, from: mount.from }, step), held.directory);
  else if (isNew) {
    mkdirSync(held.directory, { recursive: true });
    chmodSync(held.directory, mount.mode ?? 0o755);
    chownSync(held.directory, mount.uid, mount.gid);
  }
  return {
    mount: { kind: "bind", source: held.directory, target, readOnly: mount.readOnly },
    inputs: [["mount", JSON.stringify({ type: "cache", target, readOnly: mount.readOnly })]],
  };
}

function openSecret(
  { session }: StageWork,
  mount: Extract<RunMount, { type: "secret" }>,
  { target, places }: { readonly target: string; readonly places: Places },
): Opened {
  const value = session.options.secrets?.get(mount.id);
  // That there is one, and where, belongs to the step; what it says does not.
  const inputs: StepInput[] = [["mount", JSON.stringify(mount)]];
  if (value === undefined) {
    if (mount.required) throw new PlyError("invalid", `secret ${mount.id}: not found`);
    return { inputs };
  }
  const env = mount.env === undefined ? [] : [[mount.env, Buffer.from(value).toString("utf8")] as const];
  if (mount.target === undefined) return { inputs, env };
  const source = places.fresh("secrets");
  writeFileSync(source, value, { mode: 0o600, flag: "wx" });
  chownSync(source, mount.uid, mount.gid);
  chmodSync(source, mount.mode);
  return { mount: { kind: "bind", source, target, readOnly: true }, inputs, env };
}

function openAgent(
  { session }: StageWork,
  mount: Extract<RunMount, { type: "ssh" }>,
  { target: given }: { readonly target: string },
): Opened {
  const socket = session.options.ssh?.get(mount.id);
  const inputs: StepInput[] = [["mount", JSON.stringify(mount)]];
  if (socket === undefined) {
    if (mount.required) throw new PlyError("invalid", `unset ssh forward key ${mount.id}`);
    return { inputs };
  }
  const target = mount.target === undefined ? `/run/buildkit/ssh_agent.${mount.id}` : given;
  return {
    mount: { kind: "bind", source: socket, target, readOnly: false },
    inputs,
    env: [["SSH_AUTH_SOCK", target]],
  };
}
