/**
 * Measures ply beside every peer that is installed, in one run, taking turns: A B C A B C….
 *   npm run bench -- pull     cold pulls of three images from one registry on loopback
 *   npm run bench -- push     an imported layer, to a registry that has nothing of it
 *   npm run bench -- run      a container that runs `true` and goes
 *   npm run bench -- start    a stopped container, started again
 *   npm run bench -- hundred  a hundred containers started at once
 *   npm run bench -- network  a container on the default bridge, and the bridge's throughput (in a network of their own)
 *   npm run bench -- exec     `true` in a container that runs
 *   npm run bench -- ps       the list of 500 containers
 *   npm run bench -- logs     what a container printed, 100 MB of it and a gigabyte
 *   npm run bench -- images   the list of 500 images
 *   npm run bench -- build    30 COPY steps, 20,000 files, ten RUN steps, and all of it cached
 *   npm run bench -- build-cache  ten RUN steps on a machine that has only the base, and one file of a large stage on one that has nothing, from a cache in a registry
 *   npm run bench             all of them
 * Options: --rounds N, --only IMAGE (debian, files, of pull also layers) or, of the network, --only run or throughput, --peer PART-OF-A-NAME, --out DIR. Times are whole processes, as a user waits for them.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { benchBuildCache } from "./build-caches.ts";
import { benchBuild } from "./builds.ts";
import { benchExec, benchImages, benchPs, benchRun } from "./containers.ts";
import { option } from "./harness.ts";
import { benchLogs } from "./logs.ts";
import { benchNetwork, isInNetworkOfOurs, runInNetworkOfOurs } from "./networks.ts";
import { benchPull } from "./pulls.ts";
import { benchPush } from "./pushes.ts";
import { type Chart, svgOf, tableOf } from "./report.ts";
import { benchHundred, benchStart } from "./starts.ts";

const SUBJECTS = [
  "pull",
  "push",
  "run",
  "start",
  "hundred",
  "network",
  "exec",
  "ps",
  "logs",
  "images",
  "build",
  "build-cache",
] as const;
type Subject = (typeof SUBJECTS)[number];

const BENCHES: Readonly<Record<Subject, (work: string, rounds: number) => Promise<Chart[]>>> = {
  pull: benchPull,
  push: benchPush,
  run: benchRun,
  start: benchStart,
  hundred: benchHundred,
  network: benchNetwork,
  exec: benchExec,
  ps: benchPs,
  logs: benchLogs,
  images: benchImages,
  build: benchBuild,
  "build-cache": benchBuildCache,
};

const named = process.argv
  .slice(2)
  .filter((word): word is Subject => (SUBJECTS as readonly string[]).includes(word));
const rounds = Number(option("rounds", "5"));
const out = option("out", "bench/out");
mkdirSync(out, { recursive: true });
for (const subject of named.length > 0 ? named : SUBJECTS) {
  if (subject === "network" && !isInNetworkOfOurs()) {
    const options = process.argv.slice(2).filter((word) => !named.some((name) => name === word));
    await runInNetworkOfOurs([subject, ...options]);
    continue;
  }
  const work = mkdtempSync(join(tmpdir(), "ply-bench-"));
  try {
    const charts = await BENCHES[subject](work, rounds);
    writeFileSync(join(out, `${subject}.svg`), svgOf(charts));
    writeFileSync(join(out, `${subject}.md`), charts.map(tableOf).join("\n"));
    writeFileSync(join(out, `${subject}.json`), `${JSON.stringify(charts, null, 2)}\n`);
    console.log(`written: ${out}/${subject}.{md,svg,json}`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
