/**
 * Measures ply beside every peer that is installed, in one run, taking turns: A B C A B C….
 *   npm run bench -- pull     cold pulls of three images from one registry on loopback
 *   npm run bench -- run      a container that runs `true` and goes
 *   npm run bench -- exec     `true` in a container that runs
 *   npm run bench -- logs     a gigabyte that a container printed
 *   npm run bench -- images   the list of 500 images
 *   npm run bench             all of them
 * Options: --rounds N, --only IMAGE (debian, files, layers), --peer PART-OF-A-NAME, --out DIR. Times are whole processes, as a user waits for them.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { must, run } from "../test/support/process.ts";
import { type RegistryFixture, startRegistry } from "../test/support/registry.ts";
import {
  type BenchImage,
  debianImage,
  manyFilesImage,
  manyImagesArchive,
  manyLayersImage,
} from "./images.ts";
import { startContainerdOf } from "./peers/containerd.ts";
import { startDockerOf } from "./peers/docker.ts";
import { installed, installNewest, newest } from "./peers/installation.ts";
import type { Peer, StartPeer } from "./peers/peer.ts";
import { startPly } from "./peers/ply.ts";
import { startPodmanOf } from "./peers/podman.ts";
import { type Chart, svgOf, tableOf } from "./report.ts";

const SUBJECTS = ["pull", "run", "exec", "logs", "images"] as const;
type Subject = (typeof SUBJECTS)[number];

/** Those that also run containers and list images come first. */
const ENGINES: readonly StartPeer[] = [
  startPly("erofs"),
  startDockerOf(installed),
  startPodmanOf(installed),
  startDockerOf(newest),
  startPodmanOf(newest),
];
const PULLERS: readonly StartPeer[] = [
  ...ENGINES,
  startContainerdOf(installed, "overlayfs"),
  startContainerdOf(newest, "overlayfs"),
  startContainerdOf(newest, "erofs"),
];

const PULLED: Readonly<Record<string, (work: string) => Promise<BenchImage>>> = {
  debian: debianImage,
  files: manyFilesImage,
  layers: manyLayersImage,
};

function option(name: string, fallback: string): string {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : (process.argv[at + 1] ?? fallback);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

async function startPeers(home: string, wanted: readonly StartPeer[]): Promise<Peer[]> {
  await installNewest();
  const filter = option("peer", "");
  const peers: Peer[] = [];
  for (const start of wanted) {
    const peer = await start(home);
    if ("absent" in peer) console.log(`not measured: ${peer.absent}`);
    else if (filter === "" || peer.name.startsWith("ply") || peer.name.includes(filter)) peers.push(peer);
    else await peer[Symbol.asyncDispose]();
  }
  for (const peer of peers) console.log(`measured: ${peer.name} (${peer.version})`);
  return peers;
}

/** Runs every peer's turn `rounds` times, alternating; the first round only warms up. */
async function alternate(
  title: string,
  peers: readonly Peer[],
  rounds: number,
  turn: (peer: Peer) => Promise<number>,
): Promise<Chart> {
  const samples = new Map<string, number[]>(peers.map((peer) => [peer.name, []]));
  for (let round = -1; round < rounds; round++)
    for (const peer of peers) {
      const milliseconds = await turn(peer);
      if (round >= 0) samples.get(peer.name)?.push(milliseconds);
    }
  const chart = {
    title,
    unit: "ms",
    series: [...samples].map(([peer, values]) => ({ peer, samples: values })),
  };
  console.log(`\n${tableOf(chart)}`);
  return chart;
}

/** Highest resident size the engine ever had, in MB (VmHWM). */
function peakMegabytes(pid: number): number {
  const line = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(line?.[1] ?? Number.NaN) / 1024;
}

/** Puts an image into the registry; returns its reference. */
async function publish(registry: RegistryFixture, image: BenchImage): Promise<string> {
  const reference = `${registry.host}/bench/${image.name}:1`;
  const target = ["--dest-tls-verify=false", `oci:${image.layout}:1`, `docker://${reference}`];
  await must("skopeo", ["copy", "-q", ...target]);
  return reference;
}

async function benchPull(work: string, rounds: number): Promise<Chart[]> {
  await using registry = await startRegistry({});
  const only = option("only", "");
  const images: BenchImage[] = [];
  for (const [name, make] of Object.entries(PULLED))
    if (only === "" || only === name) images.push(await make(work));
  for (const image of images) await publish(registry, image);
  const charts: Chart[] = [];
  const peers = await startPeers(work, PULLERS);
  try {
    for (const image of images) {
      const reference = `${registry.host}/bench/${image.name}:1`;
      const title = `pull ${image.description} (${(image.compressedBytes / 1e6).toFixed(0)} MB)`;
      charts.push(
        await alternate(title, peers, rounds, async (peer) => {
          const milliseconds = await timed(() => peer.pull(reference));
          await peer.forget(reference);
          await run("sync", []);
          return milliseconds;
        }),
      );
    }
    const memory = peers.flatMap((peer) =>
      peer.enginePid === undefined ? [] : [{ peer: peer.name, samples: [peakMegabytes(peer.enginePid)] }],
    );
    const chart = { title: "peak memory of the engine after these pulls", unit: "MB", series: memory };
    console.log(`\n${tableOf(chart)}`);
    charts.push(chart);
  } finally {
    for (const peer of peers) await peer[Symbol.asyncDispose]();
  }
  return charts;
}

async function benchRun(work: string, rounds: number): Promise<Chart[]> {
  await using registry = await startRegistry({});
  const reference = await publish(registry, await debianImage(work));
  const peers = (await startPeers(work, ENGINES)).filter((peer) => peer.runCommand !== undefined);
  try {
    for (const peer of peers) await peer.pull(reference);
    const turn = async (peer: Peer): Promise<number> => {
      const [program, ...args] = peer.runCommand?.(reference, ["true"]) ?? ["false"];
      return timed(() => must(program, args, { env: peer.environment }));
    };
    return [await alternate("run --rm --network host … true", peers, rounds * 4, turn)];
  } finally {
    for (const peer of peers) await peer[Symbol.asyncDispose]();
  }
}

async function benchExec(work: string, rounds: number): Promise<Chart[]> {
  await using registry = await startRegistry({});
  const reference = await publish(registry, await debianImage(work));
  const peers = (await startPeers(work, ENGINES)).filter((peer) => peer.verbs !== undefined);
  const call = ({ verbs = ["false"], environment }: Peer, ...words: readonly string[]) =>
    must(verbs[0] ?? "false", [...verbs.slice(1), ...words], { env: environment });
  try {
    for (const peer of peers) {
      await peer.pull(reference);
      const flags = ["-d", "--name", "bench", "--network", "host", ...(peer.runFlags ?? [])];
      await call(peer, "run", ...flags, reference, "sleep", "100000");
    }
    const turn = (peer: Peer) => timed(() => call(peer, "exec", "bench", "true"));
    const charts = [await alternate("exec … true", peers, rounds * 4, turn)];
    for (const peer of peers) await call(peer, "rm", "-f", "bench");
    return charts;
  } finally {
    for (const peer of peers) await peer[Symbol.asyncDispose]();
  }
}

/** One gigabyte in lines of 100 bytes, from the engine's file to a client that throws it away. */
async function benchLogs(work: string, rounds: number): Promise<Chart[]> {
  await using registry = await startRegistry({});
  const reference = await publish(registry, await debianImage(work));
  const peers = (await startPeers(work, ENGINES)).filter((peer) => peer.verbs !== undefined);
  const call = ({ verbs = ["false"], environment }: Peer, ...words: readonly string[]) =>
    must(verbs[0] ?? "false", [...verbs.slice(1), ...words], { env: environment, timeoutMs: 600_000 });
  const print = `yes ${"x".repeat(99)} | head -c 1000000000`;
  try {
    for (const peer of peers) {
      await peer.pull(reference);
      const limits = peer.name.startsWith("ply") ? ["--log-opt", "max-size=-1"] : [];
      const flags = ["-d", "--name", "bench", "--network", "host", ...limits, ...(peer.runFlags ?? [])];
      await call(peer, "run", ...flags, reference, "sh", "-c", print);
      await call(peer, "wait", "bench");
    }
    const turn = ({ verbs = ["false"], environment }: Peer) =>
      timed(() =>
        must("sh", ["-c", '"$@" > /dev/null', "sh", ...verbs, "logs", "bench"], {
          env: environment,
          timeoutMs: 600_000,
        }),
      );
    const charts = [await alternate("logs of 1 GB in lines of 100 bytes", peers, rounds, turn)];
    for (const peer of peers) await call(peer, "rm", "-f", "bench");
    return charts;
  } finally {
    for (const peer of peers) await peer[Symbol.asyncDispose]();
  }
}

async function benchImages(work: string, rounds: number): Promise<Chart[]> {
  const archive = await manyImagesArchive(work, 500);
  const peers = (await startPeers(work, ENGINES)).filter((peer) => peer.listCommand !== undefined);
  try {
    for (const peer of peers) {
      const [program, ...args] = peer.listCommand ?? ["false"];
      await must(program, [...args.slice(0, -1), "load", "-i", archive], {
        env: peer.environment,
        timeoutMs: 600_000,
      });
    }
    const turn = async (peer: Peer): Promise<number> => {
      const [program, ...args] = peer.listCommand ?? ["false"];
      return timed(() => must(program, args, { env: peer.environment }));
    };
    return [await alternate("list 500 images", peers, rounds * 4, turn)];
  } finally {
    for (const peer of peers) await peer[Symbol.asyncDispose]();
  }
}

const BENCHES: Readonly<Record<Subject, (work: string, rounds: number) => Promise<Chart[]>>> = {
  pull: benchPull,
  run: benchRun,
  exec: benchExec,
  logs: benchLogs,
  images: benchImages,
};

const named = process.argv
  .slice(2)
  .filter((word): word is Subject => (SUBJECTS as readonly string[]).includes(word));
const rounds = Number(option("rounds", "5"));
const out = option("out", "bench/out");
mkdirSync(out, { recursive: true });
for (const subject of named.length > 0 ? named : SUBJECTS) {
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
