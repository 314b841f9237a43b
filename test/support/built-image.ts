import { createHash } from "node:crypto";
import { posix } from "node:path";
import { readTar } from "../../src/tar/index.ts";
import { CONTEXT_TIME, type DockerfileCase } from "../corpus/dockerfile/index.ts";

/** What came of a Dockerfile: the tree and settings of its image, or why there is none. */
export interface Built {
  readonly error?: string;
  readonly id?: string;
  /** Path → what is there, as text that compares. */
  readonly tree: ReadonlyMap<string, string>;
  readonly config: Readonly<Record<string, unknown>>;
  /** The instructions as the image tells them, newest first; absent where they are told in other words. */
  readonly history?: readonly string[];
}

const FIELDS = [
  "Env",
  "Cmd",
  "Entrypoint",
  "WorkingDir",
  "User",
  "ExposedPorts",
  "Volumes",
  "Labels",
  "StopSignal",
  "Healthcheck",
  "Shell",
  "OnBuild",
];
/** What engines put there for themselves. */
const OWN =
  /^(?:\.dockerenv|dev|proc|sys|run|etc|etc\/(?:hosts|hostname|resolv\.conf|mtab))$|^(?:dev|proc|sys|run)\//;
/** Longer contents are told by their digest. */
const SHOWN_BYTES = 64;

export function failedBuild(error: string): Built {
  return { error, tree: new Map(), config: {} };
}

/** Reads an image back through Docker's API: its export, its settings, its history. */
export async function readImage(socket: string, id: string): Promise<Built> {
  const call = (path: string, init: RequestInit = {}) => fetch(`http://x${path}`, { ...init, unix: socket });
  const inspected = (await (await call(`/images/${id}/json`)).json()) as {
    Config: Record<string, unknown>;
    Author?: string;
  };
  const history = (await (await call(`/images/${id}/history`)).json()) as { CreatedBy: string }[];
  const created = await call("/containers/create", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({
      Image: id,
      Cmd: ["x"],
      NetworkDisabled: true,
      HostConfig: { NetworkMode: "none" },
    }),
  });
  const { Id } = (await created.json()) as { Id: string };
  const exported = await call(`/containers/${Id}/export`);
  // Where volumes are mounted is the container's doing.
  const volumes = volumesOf(inspected.Config);
  const tree = await readTree(exported.body as unknown as AsyncIterable<Uint8Array>, volumes);
  await (await call(`/containers/${Id}?force=1&v=1`, { method: "DELETE" })).text();
  return {
    id,
    tree,
    config: settingsOf(inspected.Config, inspected.Author),
    history: history.flatMap(({ CreatedBy }) => saidAlike(CreatedBy)),
  };
}

/** Where volumes are mounted. */
export function volumesOf(config: Readonly<Record<string, unknown>>): Set<string> {
  return new Set(Object.keys(config["Volumes"] ?? {}).map((path) => posix.resolve("/", path)));
}

/**
 * BuildKit leaves --from and --link out, has no entry for ONBUILD, and writes EXPOSE and HEALTHCHECK as Go would; ply tells the
 * instruction as it was written.
 */
function saidAlike(said: string): string[] {
  if (/^(?:ONBUILD|EXPOSE|HEALTHCHECK) |^$/.test(said)) return [];
  return [said.replace(/^(?:COPY|ADD) .*/, (copy) => copy.replace(/ --(?:from|link)(?:=\S*)?(?= )/g, ""))];
}

/** The settings that say something, in one order. */
export function settingsOf(
  config: Readonly<Record<string, unknown>>,
  author: string | undefined,
): Record<string, unknown> {
  const told = FIELDS.flatMap((field) => {
    const value = config[field];
    const isEmpty =
      value === null || value === undefined || ["", '""', "{}", "[]"].includes(JSON.stringify(value));
    return isEmpty ? [] : [[field, sorted(value)] as const];
  });
  return { ...Object.fromEntries(told), ...(author ? { Author: author } : {}) };
}

/** Objects say the same in any order. */
function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** An archive of a root filesystem as paths with what is there; `without`: absolute paths. */
export async function readTree(
  tar: AsyncIterable<Uint8Array>,
  without: ReadonlySet<string> = new Set(),
): Promise<Map<string, string>> {
  const tree = new Map<string, string>();
  for await (const { entry, content } of readTar(tar)) {
    const path = entry.path.replace(/^\.?\//, "").replace(/\/$/, "");
    if (path === "" || OWN.test(path) || without.has(`/${path}`)) continue;
    let told = entry.linkTarget.replace(/^\//, entry.type === "hardlink" ? "" : "/");
    if (entry.type === "file") {
      const chunks: Uint8Array[] = [];
      for await (const chunk of content) chunks.push(Buffer.from(chunk));
      const bytes = Buffer.concat(chunks);
      told = bytes.length > SHOWN_BYTES ? createHash("sha256").update(bytes).digest("hex") : bytes.toString();
    }
    // Times of what the context brought are kept; others are nobody's promise.
    const time =
      entry.type === "file" && entry.mtimeSeconds === CONTEXT_TIME ? ` @${entry.mtimeSeconds}` : "";
    const kind =
      entry.type === "hardlink"
        ? "hardlink"
        : `${entry.type} ${entry.mode.toString(8)} ${entry.uid}:${entry.gid}`;
    tree.set(path, `${kind}${told === "" ? "" : ` ${told}`}${time}`);
  }
  return tree;
}

const TIME = / @\d+$/;

/** What is at a path, without its time; null for nothing. */
export function entryAt({ tree }: Built, path: string): string | null {
  return tree.get(path)?.replace(TIME, "") ?? null;
}

/** Every difference between what two engines made of a Dockerfile, in words. */
export function compareBuilt(own: Built, other: Built): string[] {
  if (own.error !== undefined && other.error !== undefined) return [];
  if (own.error !== undefined || other.error !== undefined)
    return [`${own.error ?? "built"} ≠ ${other.error ?? "built"}`];
  const found: string[] = [];
  for (const path of new Set([...own.tree.keys(), ...other.tree.keys()])) {
    const [a, b] = [own.tree.get(path), other.tree.get(path)];
    // A time that was kept is no difference where the other has none.
    if (a !== b && a?.replace(TIME, "") !== b) found.push(`${path}: ${a} ≠ ${b}`);
  }
  for (const field of new Set([...Object.keys(own.config), ...Object.keys(other.config)])) {
    const [a, b] = [own.config[field], other.config[field]].map((value) => JSON.stringify(value));
    if (a !== b) found.push(`${field}: ${a} ≠ ${b}`);
  }
  for (const n of own.history?.keys() ?? []) {
    const [a, b] = [own.history?.[n], other.history?.[n]];
    if (other.history !== undefined && a !== b) found.push(`history ${n}: ${a} ≠ ${b}`);
  }
  return found;
}

/** Tells a case and its result from any other: tree, settings and history, without times and what hosts bring along. */
export function digestOf(each: DockerfileCase, { error, tree, config, history }: Built): string {
  const entries = [...tree].filter(([path]) => !path.startsWith("bin/")).sort(([a], [b]) => (a < b ? -1 : 1));
  const said = history?.map((line) => line.replace(/127\.0\.0\.1:\d+/g, "{server}"));
  const result =
    error === undefined
      ? [entries.map(([path, what]) => [path, what.replace(TIME, "")]), config, said]
      : "refused";
  const asked = JSON.stringify([each, result], (_, value: unknown) =>
    value instanceof RegExp ? value.source : value,
  );
  return createHash("sha256").update(asked).digest("hex").slice(0, 16);
}
