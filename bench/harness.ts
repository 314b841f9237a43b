import { cpus as osCpus } from "node:os";
import { must } from "../test/support/process.ts";
import { type RegistryFixture, startRegistry } from "../test/support/registry.ts";
import { type BenchImage, debianImage } from "./images.ts";
import { startBuildKit } from "./peers/buildkit.ts";
import { startContainerdOf } from "./peers/containerd.ts";
import { startDockerOf } from "./peers/docker.ts";
import { installed, installNewest, newest } from "./peers/installation.ts";
import type { Peer, StartPeer } from "./peers/peer.ts";
import { startPly } from "./peers/ply.ts";
import { startBuildahOf, startPodmanOf } from "./peers/podman.ts";
import { type Chart, tableOf } from "./report.ts";

/** Those that also run containers and list images come first. */
export const ENGINES: readonly StartPeer[] = [
  startPly("erofs"),
  startDockerOf(installed),
  startPodmanOf(installed),
  startDockerOf(newest),
  startPodmanOf(newest),
];
/** podman's own `build` is buildah's as well. */
export const BUILDERS: readonly StartPeer[] = [
  startPly("erofs"),
  startDockerOf(installed),
  startDockerOf(newest),
  startBuildKit,
  startBuildahOf(installed),
  startBuildahOf(newest),
];
export const PULLERS: readonly StartPeer[] = [
  ...ENGINES,
  startContainerdOf(installed, "overlayfs"),
  startContainerdOf(newest, "overlayfs"),
  startContainerdOf(newest, "erofs"),
];

/** What follows `--NAME` on the command line. */
export function option(name: string, fallback: string): string {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : (process.argv[at + 1] ?? fallback);
}

export async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

/** Starts the peers that are here and have what is needed of them; dispose them to stop them. */
export async function startPeers(
  home: string,
  wanted: readonly StartPeer[],
  needed?: keyof Peer,
): Promise<readonly Peer[] & AsyncDisposable> {
  await installNewest();
  await using started = new AsyncDisposableStack();
  const filter = option("peer", "");
  const peers: Peer[] = [];
  for (const start of wanted) {
    const peer = await start(home);
    if ("absent" in peer) {
      console.log(`not measured: ${peer.absent}`);
      continue;
    }
    const isMeant = filter === "" || peer.name.startsWith("ply") || peer.name.includes(filter);
    if (isMeant && (needed === undefined || peer[needed] !== undefined)) peers.push(started.use(peer));
    else await peer[Symbol.asyncDispose]();
  }
  for (const peer of peers) console.log(`measured: ${peer.name} (${peer.version})`);
  const all = started.move();
  return Object.assign(peers, { [Symbol.asyncDispose]: () => all.disposeAsync() });
}

/**
 * Runs every peer's turn `rounds` times, alternating; the first round only warms up. Each round begins with
 * another peer, and each turn on a machine gone quiet: what one leaves to do after its answer (a cleanup
 * process, a namespace taken down) is not for the next to pay.
 */
export async function alternate(
  title: string,
  peers: readonly Peer[],
  rounds: number,
  turn: (peer: Peer) => Promise<number>,
): Promise<Chart> {
  const samples = new Map<string, number[]>(peers.map((peer) => [peer.name, []]));
  for (let round = -1; round < rounds; round++)
    for (const at of peers.keys()) {
      const peer = peers[(at + round + 1) % peers.length] as Peer;
      await quiet();
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

/** Waits until nine tenths of the processors' time were idle for 100 ms, or 2 s have gone by. */
async function quiet(): Promise<void> {
  const ends = performance.now() + 2000;
  for (let before = cpus(); performance.now() < ends; ) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    const now = cpus();
    if (now.idle - before.idle > 0.9 * (now.all - before.all)) return;
    before = now;
  }
}

function cpus(): { readonly idle: number; readonly all: number } {
  const times = osCpus().map(({ times }) => times);
  const idle = times.reduce((sum, { idle }) => sum + idle, 0);
  return { idle, all: times.reduce((sum, { user, nice, sys, irq }) => sum + user + nice + sys + irq, idle) };
}

/** Puts an image into the registry; returns its reference. */
export async function publish(registry: RegistryFixture, image: BenchImage): Promise<string> {
  const reference = `${registry.host}/bench/${image.name}:1`;
  const target = ["--dest-tls-verify=false", `oci:${image.layout}:1`, `docker://${reference}`];
  await must("skopeo", ["copy", "-q", ...target]);
  return reference;
}

/** {@link startPeers}, each with a Debian image out of a registry of this machine. */
export async function startPeersWithDebian(
  home: string,
  wanted: readonly StartPeer[],
  needed?: keyof Peer,
): Promise<{ readonly peers: readonly Peer[]; readonly reference: string } & AsyncDisposable> {
  await using registry = await startRegistry({});
  const reference = await publish(registry, await debianImage(home));
  await using started = new AsyncDisposableStack();
  const peers = started.use(await startPeers(home, wanted, needed));
  for (const peer of peers) await peer.pull(reference);
  const all = started.move();
  return { peers, reference, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

/** A verb of Docker's by a peer's own program. */
export function call(peer: Peer, ...words: readonly string[]) {
  return feed(peer, new Uint8Array(), ...words);
}

/** The same with something on its standard input. */
export function feed(
  { verbs = ["false"], environment }: Peer,
  stdin: Uint8Array,
  ...words: readonly string[]
) {
  const [program, ...args] = verbs;
  return must(program, [...args, ...words], { env: environment, stdin, timeoutMs: 600_000 });
}
