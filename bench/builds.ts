import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { must } from "../test/support/process.ts";
import { busyboxMembers, tarball } from "../test/support/tarball.ts";
import { alternate, BUILDERS, option, startPeers, timed } from "./harness.ts";
import { newest } from "./peers/installation.ts";
import type { Peer } from "./peers/peer.ts";
import type { Chart } from "./report.ts";

interface Subject {
  readonly title: string;
  readonly directory: string;
  readonly isCached: boolean;
}

const BASE = "localhost/bench-base:1";
/** Nothing but the image's id: drawing is not what is measured. */
const QUIET = ["build", "-q", "--network", "host"];

function dockerfile(directory: string, lines: readonly string[]): string {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "Dockerfile"), [`FROM ${BASE}`, ...lines, ""].join("\n"));
  return directory;
}

/** Thirty steps that copy one small file each. */
function manyCopies(work: string): string {
  const directory = join(work, "copies");
  const lines = Array.from({ length: 30 }, (_, n) => `COPY file-${n} /srv/file-${n}`);
  dockerfile(directory, lines);
  for (let n = 0; n < 30; n++) writeFileSync(join(directory, `file-${n}`), `content of ${n}\n`.repeat(50));
  return directory;
}

/** What a Node application brings along: 20,000 files of some 2 KB in 500 packages. */
function nodeApplication(work: string): string {
  const directory = join(work, "application");
  dockerfile(directory, ["WORKDIR /app", "COPY . .", 'CMD ["node", "index.js"]']);
  for (let folder = 0; folder < 500; folder++) {
    const path = join(directory, "node_modules", `package-${folder}`, "lib");
    mkdirSync(path, { recursive: true });
    for (let file = 0; file < 40; file++)
      writeFileSync(join(path, `module-${file}.js`), `export const n = ${folder * 40 + file};\n`.repeat(60));
  }
  return directory;
}

function tenRuns(work: string): string {
  const lines = Array.from({ length: 10 }, (_, n) => `RUN echo ${n} > /srv-${n}`);
  return dockerfile(join(work, "runs"), lines);
}

/** Builds beside the classic builders of dockerd, BuildKit and buildah. */
export async function benchBuild(work: string, rounds: number): Promise<Chart[]> {
  const contexts = join(work, "contexts");
  const copies = manyCopies(contexts);
  const application = nodeApplication(contexts);
  const runs = tenRuns(contexts);
  const subjects: readonly Subject[] = [
    { title: "build: 30 COPY steps", directory: copies, isCached: false },
    { title: "build: a context of 20,000 files", directory: application, isCached: false },
    { title: "build: ten RUN steps", directory: runs, isCached: false },
    { title: "build: ten RUN steps, all cached", directory: runs, isCached: true },
    { title: "build: a context of 20,000 files, all cached", directory: application, isCached: true },
  ];
  const only = option("only", "");
  await using stack = new AsyncDisposableStack();
  const peers = stack.use(await startPeers(work, BUILDERS));
  await newest.open(contexts);
  stack.defer(() => newest.close(contexts));
  const base = tarball(busyboxMembers());
  for (const peer of peers) await call(peer, peer.verbs, ["import", "-c", "ENV PATH=/bin", "-", BASE], base);
  const charts: Chart[] = [];
  for (const { title, directory, isCached } of subjects.filter((each) => each.title.includes(only)))
    charts.push(
      await alternate(title, peers, rounds, (peer) => {
        const program = peer.builder ?? peer.verbs;
        return timed(() =>
          call(peer, program, [...QUIET, ...flagsOf(peer, isCached), "-t", "bench:1", directory]),
        );
      }),
    );
  return charts;
}

/** buildah keeps steps only when told to, and has limits of its own for what it runs. */
function flagsOf({ builder, runFlags = [] }: Peer, isCached: boolean): string[] {
  const isBuildah = builder !== undefined;
  const cache = isCached ? (isBuildah ? ["--layers"] : []) : ["--no-cache"];
  return [...cache, ...(isBuildah ? runFlags : [])];
}

function call(
  { environment }: Peer,
  [program, ...args]: readonly [string, ...string[]] = ["false"],
  words: readonly string[],
  stdin: Uint8Array = new Uint8Array(),
) {
  const env = { DOCKER_BUILDKIT: "0", ...environment };
  return must(program, [...args, ...words], { env, stdin, timeoutMs: 600_000 });
}
