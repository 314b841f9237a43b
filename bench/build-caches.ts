import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startRegistry } from "../test/support/registry.ts";
import { busyboxMembers, tarball } from "../test/support/tarball.ts";
import { alternate, call, feed, startPeers, timed } from "./harness.ts";
import { startBuildKit } from "./peers/buildkit.ts";
import { newest } from "./peers/installation.ts";
import type { Peer } from "./peers/peer.ts";
import { startPly } from "./peers/ply.ts";
import type { Chart } from "./report.ts";

const BASE = "localhost/bench-base:1";

/** Ten RUN steps on a machine that has never made them, from the cache in an image of a registry: ply and BuildKit alone know such. */
export async function benchBuildCache(work: string, rounds: number): Promise<Chart[]> {
  await using registry = await startRegistry();
  await using stack = new AsyncDisposableStack();
  const peers = stack.use(await startPeers(work, [startPly("erofs"), startBuildKit]));
  await newest.open(work);
  stack.defer(() => newest.close(work));
  const directory = join(work, "cached-runs");
  mkdirSync(directory);
  const lines = Array.from({ length: 10 }, (_, n) => `RUN head -c 1000000 /dev/urandom > /srv-${n}`);
  writeFileSync(join(directory, "Dockerfile"), [`FROM ${BASE}`, ...lines, ""].join("\n"));
  const nameOf = ({ name }: Peer) => `${registry.host}/${name.replace(/\W/g, "")}:1`;
  const build = (peer: Peer, ...flags: string[]) =>
    call(peer, "build", "-q", "--network", "host", ...flags, "-t", nameOf(peer), directory);
  const forget = async (peer: Peer) => {
    await call(peer, "rmi", "-f", nameOf(peer));
    await call(peer, "builder", "prune", "-af");
  };
  for (const peer of peers) {
    await feed(peer, tarball(busyboxMembers()), "import", "-c", "ENV PATH=/bin", "-", BASE);
    await build(peer, "--build-arg", "BUILDKIT_INLINE_CACHE=1");
    await call(peer, "push", "-q", nameOf(peer));
  }
  const titles = { "--no-cache": "made anew", "--cache-from": "from a cache in a registry" } as const;
  const charts: Chart[] = [];
  for (const [flag, title] of Object.entries(titles))
    charts.push(
      await alternate(`build: ten RUN steps, ${title}`, peers, rounds, async (peer) => {
        await forget(peer);
        return timed(() => build(peer, flag, ...(flag === "--cache-from" ? [nameOf(peer)] : [])));
      }),
    );
  return charts;
}
