import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readTar } from "../../src/tar/index.ts";
import { CONTEXT_TIME, type DockerfileCase } from "../corpus/dockerfile-cases.ts";
import { member } from "./tarball.ts";

/** What came of a Dockerfile: the tree and settings of its image, or why there is none. */
export interface Built {
  readonly error?: string;
  /** Path → what is there, as text that compares. */
  readonly tree: ReadonlyMap<string, string>;
  readonly config: Readonly<Record<string, unknown>>;
  /** Fails unless the tree and settings are what the case says. */
  expect(each: DockerfileCase): void;
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
const OWN = /^(?:\.dockerenv|dev|proc|sys|etc\/(?:hosts|hostname|resolv\.conf|mtab))(?:\/|$)/;
/** Longer contents are told by their digest. */
const SHOWN_BYTES = 64;

interface Line {
  readonly stream?: string;
  readonly error?: string;
  readonly aux?: { readonly ID?: string };
}

/** Builds a case through an engine's API and reads its image back. */
export async function buildWith(
  socket: string,
  each: DockerfileCase,
  common: readonly Buffer[],
): Promise<Built> {
  const text = /^(?:#.*\n|ARG.*\n)*FROM /.test(each.text) ? each.text : `FROM base\n${each.text}`;
  const body = Buffer.concat([
    member({ name: "Dockerfile", data: text, mtime: CONTEXT_TIME }),
    ...common,
    ...(each.context ?? []).map(member),
    Buffer.alloc(1024),
  ]);
  const query = new URLSearchParams({
    version: "1",
    rm: "1",
    networkmode: "none",
    ...(each.args === undefined ? {} : { buildargs: JSON.stringify(each.args) }),
    ...each.query,
  });
  const answer = await fetch(`http://x/build?${query}`, {
    method: "POST",
    unix: socket,
    headers: { "Content-Type": "application/x-tar" },
    body,
  });
  const said = await answer.text();
  if (!answer.ok) return failed((JSON.parse(said) as { message: string }).message);
  const lines = said.split("\n").flatMap((line) => (line.trim() === "" ? [] : [JSON.parse(line) as Line]));
  const error = lines.find((line) => line.error !== undefined)?.error;
  if (error !== undefined) return failed(error);
  const id = lines.findLast((line) => line.aux?.ID !== undefined)?.aux?.ID;
  if (id === undefined) return failed(`no image: ${said}`);
  return await readImage(socket, id);
}

/** Makes the image `base` of a root filesystem. */
buildWith.base = async (socket: string, tar: Buffer): Promise<void> => {
  const query = new URLSearchParams({ fromSrc: "-", repo: "base", tag: "latest" });
  for (const change of ['CMD ["sh"]', "ENV PATH=/bin"]) query.append("changes", change);
  const answer = await fetch(`http://x/images/create?${query}`, { method: "POST", unix: socket, body: tar });
  const said = await answer.text();
  assert(answer.ok && !said.includes("errorDetail"), said);
};

function failed(error: string): Built {
  return {
    error,
    tree: new Map(),
    config: {},
    expect: () => assert.fail(error),
  };
}

async function readImage(socket: string, id: string): Promise<Built> {
  const call = (path: string, init: RequestInit = {}) => fetch(`http://x${path}`, { ...init, unix: socket });
  const inspected = (await (await call(`/images/${id}/json`)).json()) as {
    Config: Record<string, unknown>;
    Author?: string;
  };
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
  const volumes = new Set(Object.keys(inspected.Config["Volumes"] ?? {}));
  const tree = await readExport(exported.body as unknown as AsyncIterable<Uint8Array>, volumes);
  await (await call(`/containers/${Id}?force=1&v=1`, { method: "DELETE" })).text();
  const config = Object.fromEntries(
    FIELDS.flatMap((field) => {
      const value = inspected.Config[field];
      const isEmpty =
        value === null ||
        value === undefined ||
        value === "" ||
        JSON.stringify(value) === "{}" ||
        JSON.stringify(value) === "[]";
      return isEmpty ? [] : [[field, sorted(value)]];
    }),
  );
  return {
    tree,
    config: { ...config, ...(inspected.Author ? { Author: inspected.Author } : {}) },
    expect(each) {
      for (const [path, expected] of Object.entries(each.tree ?? {}))
        assert.equal(withoutTime(tree.get(path)), expected, path);
      for (const [field, expected] of Object.entries(each.config ?? {}))
        assert.deepEqual(config[field], expected, field);
    },
  };
}

/** Objects say the same in any order. */
function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function withoutTime(entry: string | undefined): string | null {
  return entry === undefined ? null : entry.replace(/ @\d+$/, "");
}

async function readExport(
  tar: AsyncIterable<Uint8Array>,
  volumes: ReadonlySet<string>,
): Promise<Map<string, string>> {
  const tree = new Map<string, string>();
  for await (const { entry, content } of readTar(tar)) {
    const path = entry.path.replace(/^\.?\//, "").replace(/\/$/, "");
    if (path === "" || OWN.test(path) || volumes.has(`/${path}`)) continue;
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

/** Every difference between what two engines made of a Dockerfile, in words. */
export function compareBuilt(own: Built, peer: Built): string[] {
  const found: string[] = [];
  for (const path of new Set([...own.tree.keys(), ...peer.tree.keys()])) {
    const [a, b] = [own.tree.get(path), peer.tree.get(path)];
    if (a !== b) found.push(`${path}: ${a} ≠ ${b}`);
  }
  for (const field of new Set([...Object.keys(own.config), ...Object.keys(peer.config)])) {
    const [a, b] = [own.config[field], peer.config[field]].map((value) => JSON.stringify(value));
    if (a !== b) found.push(`${field}: ${a} ≠ ${b}`);
  }
  return found;
}
