import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { writeContext } from "./context-directory.ts";
import type { startEngine, TestEngine } from "./ply.ts";
import { openRoom } from "./room.ts";
import type { Member } from "./tarball.ts";

/** An engine that has the image `bb:1`, and a directory for contexts. */
export interface BuildRoom extends AsyncDisposable {
  readonly engine: TestEngine;
  readonly work: string;
  /** A new directory with a Dockerfile and other files, by their paths or as an archive would have them. */
  contextOf(
    dockerfile: string,
    files?: Readonly<Record<string, string | Buffer>> | readonly Member[],
  ): string;
  /** Builds without a network; the image's id. */
  build(directory: string, ...flags: string[]): Promise<string>;
  /** What a shell script prints in a container of an image. */
  inImage(image: string, script: string): Promise<string>;
  /** A file of the git repository `work/repo` as any web server has it, under `/repo.git/`. */
  repositoryFile(path: string): Buffer | undefined;
}

export async function openBuildRoom(options?: Parameters<typeof startEngine>[0]): Promise<BuildRoom> {
  const room = await openRoom(options);
  const { engine, scratch: work } = room;
  let contexts = 0;
  return {
    engine,
    work,
    contextOf(dockerfile, files = []) {
      const directory = join(work, `context-${contexts++}`);
      const members = Array.isArray(files)
        ? files
        : Object.entries(files).map(([name, data]) => ({ name, data }));
      writeContext(directory, [{ name: "Dockerfile", data: dockerfile }, ...members]);
      return directory;
    },
    build: async (directory, ...flags) =>
      (await engine.must(["build", "--network", "none", "-q", ...flags, directory])).stdout.trim(),
    inImage: async (image, script) =>
      (await engine.must(["run", "--rm", "--network", "none", image, "sh", "-c", script])).stdout,
    repositoryFile(path) {
      const file = join(work, "repo/.git", path.slice("/repo.git/".length));
      return path.startsWith("/repo.git/") && existsSync(file) ? readFileSync(file) : undefined;
    },
    [Symbol.asyncDispose]: () => room[Symbol.asyncDispose](),
  };
}

/** What steps printed, out of plain progress. */
export function printedBySteps(progress: string): string[] {
  return [...progress.matchAll(/^#\d+ (?!\[|DONE|CACHED)(?:\d+\.\d{3} )?(.*)$/gm)].map(
    (match) => match[1] ?? "",
  );
}
