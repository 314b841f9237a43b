import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { CONTEXT_TIME, SERVED } from "../corpus/dockerfile/index.ts";
import { must } from "./process.ts";

export interface CorpusServer {
  readonly address: string;
  close(): void;
}

/** Serves what the corpus fetches, on loopback: files, a gzip of one, and `/repository.git` as plain files. */
export async function serveCorpus(home: string): Promise<CorpusServer> {
  mkdirSync(join(home, "sub"), { recursive: true });
  writeFileSync(join(home, "top"), "top\n");
  writeFileSync(join(home, "sub/in"), "in\n", { mode: 0o755 });
  const commit = "git -c user.name=t -c user.email=t@x -c commit.gpgsign=false commit -qm 1";
  const script = `git init -qb main . && git add . && ${commit} && git tag v1 && git update-server-info`;
  const date = `@${CONTEXT_TIME} +0000`;
  const env = { GIT_AUTHOR_DATE: date, GIT_COMMITTER_DATE: date };
  await must("sh", ["-c", script], { cwd: home, env });
  const served = new Map<string, Buffer>();
  for (const [name, data] of Object.entries(SERVED)) served.set(`/${name}`, Buffer.from(data));
  for (const [name, data] of Object.entries(SERVED)) served.set(`/${name}.gz`, gzipSync(data));
  const fileAt = (path: string): Buffer | undefined => {
    if (!path.startsWith("/repository.git/")) return served.get(path);
    try {
      return readFileSync(join(home, ".git", path.slice("/repository.git/".length)));
    } catch {
      return undefined;
    }
  };
  const server = createServer((request, response) => {
    const body = fileAt(decodeURI(request.url?.split("?")[0] ?? ""));
    const headers = { "Last-Modified": new Date(CONTEXT_TIME * 1000).toUTCString() };
    response.writeHead(body === undefined ? 404 : 200, headers).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { address: `http://127.0.0.1:${port}`, close: () => server.close() };
}
