import assert from "node:assert/strict";
import { createReadStream, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { CONTEXT, CONTEXT_TIME, type DockerfileCase } from "../corpus/dockerfile/index.ts";
import { type Built, failedBuild, readImage, readTree, settingsOf, volumesOf } from "./built-image.ts";
import { writeContext } from "./context-directory.ts";
import { must, run } from "./process.ts";
import { type Member, tarball } from "./tarball.ts";

/** A case laid out for builders that are run: its context, and what else the command line points to. */
export interface CaseInput {
  readonly each: DockerfileCase;
  /** The context's members, the Dockerfile first. */
  readonly members: readonly Member[];
  readonly directory: string;
  /** Flags that all of docker, buildx, ply and buildah know. */
  readonly flags: readonly string[];
}

export type Build = (input: CaseInput) => Promise<Built>;

const HAS_FROM = /^[\s#\uFEFF]*FROM\s/im;

/** Writes a case's context below `home`. `server`: where the corpus' files are fetched from. */
export function layOut(each: DockerfileCase, home: string, server: string): CaseInput {
  const text = (HAS_FROM.test(each.text) ? each.text : `FROM base\n${each.text}`).replaceAll(
    "{server}",
    server,
  );
  const members = [
    { name: "Dockerfile", data: text, mtime: CONTEXT_TIME },
    ...CONTEXT,
    ...(each.context ?? []),
  ];
  // BuildKit takes what it has of a directory of the same name: files of the same size and time are not sent again.
  const directory = join(home, `context-of-${basename(home)}`);
  writeContext(directory, members);
  const flags = [
    ...Object.entries(each.args ?? {}).flatMap(([name, value]) => ["--build-arg", `${name}=${value}`]),
    ...Object.entries(each.labels ?? {}).flatMap(([name, value]) => ["--label", `${name}=${value}`]),
    ...(each.target === undefined ? [] : ["--target", each.target]),
  ];
  for (const [id, value] of Object.entries(each.secrets ?? {})) {
    const file = join(home, `secret-${id}`);
    writeFileSync(file, value);
    flags.push("--secret", `id=${id},src=${file}`);
  }
  for (const [name, what] of Object.entries(each.contexts ?? {})) {
    const path = join(home, `context-${name}`);
    if (typeof what !== "string") writeContext(path, what);
    flags.push("--build-context", `${name}=${typeof what === "string" ? what : path}`);
  }
  return { each, members, directory, flags };
}

/** Builds with a program of docker's flags (`argv` ends with `build`), and reads the image back from the engine at `socket`. */
export function buildByCommand(
  [program, ...words]: readonly [string, ...string[]],
  env: Readonly<Record<string, string>>,
  socket: string,
): Build {
  return async ({ directory, flags }) => {
    const ran = await run(program, [...words, "-q", "--network", "none", ...flags, directory], { env });
    return ran.code === 0 ? await readImage(socket, ran.stdout.trim()) : failedBuild(ran.stderr.trim());
  };
}

interface Line {
  readonly error?: string;
  readonly aux?: { readonly ID?: string };
}

/** Builds with the classic API: the context is an archive. Returns the image's id, or the error. */
export async function buildByApi(
  socket: string,
  { each, members }: CaseInput,
): Promise<{ readonly id: string } | { readonly error: string }> {
  const query = new URLSearchParams({
    version: "1",
    rm: "1",
    networkmode: "none",
    ...(each.args === undefined ? {} : { buildargs: JSON.stringify(each.args) }),
    ...(each.labels === undefined ? {} : { labels: JSON.stringify(each.labels) }),
    ...(each.target === undefined ? {} : { target: each.target }),
  });
  const answer = await fetch(`http://x/build?${query}`, {
    method: "POST",
    unix: socket,
    headers: { "Content-Type": "application/x-tar" },
    body: tarball(members),
  });
  const said = await answer.text();
  if (!answer.ok) return { error: (JSON.parse(said) as { message: string }).message };
  const lines = said.split("\n").flatMap((line) => (line.trim() === "" ? [] : [JSON.parse(line) as Line]));
  const error = lines.find((line) => line.error !== undefined)?.error;
  if (error !== undefined) return { error };
  const id = lines.findLast((line) => line.aux?.ID !== undefined)?.aux?.ID;
  return id === undefined ? { error: `no image: ${said}` } : { id };
}

export function classicBuilder(socket: string): Build {
  return async (input) => {
    const built = await buildByApi(socket, input);
    if ("error" in built) return failedBuild(built.error);
    // It tells the history in words of its own.
    const { history: _, ...image } = await readImage(socket, built.id);
    return image;
  };
}

/** Makes the image `base` of a root filesystem, through Docker's API. */
export async function importBase(socket: string, tar: Buffer): Promise<void> {
  const query = new URLSearchParams({ fromSrc: "-", repo: "base", tag: "latest" });
  for (const change of BASE_SETTINGS) query.append("changes", change);
  const answer = await fetch(`http://x/images/create?${query}`, { method: "POST", unix: socket, body: tar });
  const said = await answer.text();
  assert(answer.ok && !said.includes("errorDetail"), said);
}

const BASE_SETTINGS = ['CMD ["sh"]', "ENV PATH=/bin"];

/** buildah with a store of its own below `home`, and the image `base` in it. */
export async function buildahBuilder(home: string, base: Buffer): Promise<Build> {
  const root = join(home, "root");
  const store = ["--root", root, "--runroot", join(home, "run"), "--storage-driver", "overlay"];
  mkdirSync(home, { recursive: true });
  const archive = join(home, "base.tar");
  writeFileSync(archive, base);
  const changes = BASE_SETTINGS.flatMap((change) => ["-c", change]);
  await must("podman", [...store, "import", "-q", ...changes, archive, "base"]);
  return async ({ directory, flags }) => {
    const out = `${directory}.tar`;
    const iid = `${directory}.iid`;
    const fixed = ["-q", "--isolation", "chroot", "--format", "docker", "--iidfile", iid];
    const output = ["--output", `type=tar,dest=${out}`];
    const words = [...store, "build", ...fixed, ...output, ...flags, directory];
    // Its caches are below TMPDIR.
    const ran = await run("buildah", words, { env: { TMPDIR: home } });
    if (ran.code !== 0 || !existsSync(iid)) return failedBuild(ran.stderr.trim());
    const id = readFileSync(iid, "utf8").trim();
    // Its store keeps an image's config under the base64 of its digest.
    const kept = join(
      root,
      "overlay-images",
      id.replace("sha256:", ""),
      `=${Buffer.from(id).toString("base64")}`,
    );
    const { config, author } = JSON.parse(readFileSync(kept, "utf8")) as {
      config: Record<string, unknown> & { Labels?: Record<string, string> };
      author?: string;
    };
    const { "io.buildah.version": _own, ...Labels } = config.Labels ?? {};
    const volumes = volumesOf(config);
    const tree = await readTree(createReadStream(out), volumes);
    rmSync(out);
    return { id, tree, config: settingsOf({ ...config, Labels }, author) };
  };
}
