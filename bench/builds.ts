import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { must } from "../test/support/process.ts";
import { busyboxMembers, tarball } from "../test/support/tarball.ts";
import { alternate, ENGINES, option, startPeers, timed } from "./harness.ts";
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

/** Builds beside the classic builders of dockerd and beside buildah, as `podman build` has it. */
export async function benchBuild(work: string, rounds: number): Promise<Chart[]> {
  const copies = manyCopies(work);
  const application = nodeApplication(work);
  const runs = tenRuns(work);
  const subjects: readonly Subject[] = [
    { title: "build: 30 COPY steps", directory: copies, isCached: false },
    { title: "build: a context of 20,000 files", directory: application, isCached: false },
    { title: "build: ten RUN steps", directory: runs, isCached: false },
    { title: "build: ten RUN steps, all cached", directory: runs, isCached: true },
    { title: "build: a context of 20,000 files, all cached", directory: application, isCached: true },
  ];
  const started = await startPeers(work, ENGINES);
  // What lives in a root of its own does not see the contexts.
  const only = option("only", "");
  const peers = started.filter(({ verbs }) => verbs !== undefined && verbs[0] !== "chroot");
  const charts: Chart[] = [];
  try {
    const base = tarball(busyboxMembers());
    for (const peer of peers) await call(peer, ["import", "-c", "ENV PATH=/bin", "-", BASE], base);
    for (const { title, directory, isCached } of subjects.filter((each) => each.title.includes(only)))
      charts.push(
        await alternate(title, peers, rounds, (peer) => {
          const cache = isCached ? cachedFlags(peer) : ["--no-cache"];
          return timed(() => call(peer, [...QUIET, ...cache, "-t", "bench:1", directory]));
        }),
      );
  } finally {
    for (const peer of started) await peer[Symbol.asyncDispose]();
  }
  return charts;
}

/** podman keeps steps only when told to. */
function cachedFlags({ name }: Peer): string[] {
  return name.startsWith("podman") ? ["--layers"] : [];
}

function call(
  { verbs = ["false"], environment }: Peer,
  words: readonly string[],
  stdin: Uint8Array = new Uint8Array(),
) {
  const env = { DOCKER_BUILDKIT: "0", ...environment };
  return must(verbs[0] ?? "false", [...verbs.slice(1), ...words], { env, stdin, timeoutMs: 600_000 });
}
