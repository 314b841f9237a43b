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

/** From caches in a registry, on a machine that has never made the steps: ply and BuildKit alone know such. */
export async function benchBuildCache(work: string, rounds: number): Promise<Chart[]> {
  return [...(await benchRuns(join(work, "one"), rounds)), await benchStages(join(work, "two"), rounds)];
}

/** A registry, and builders that know caches in one; `stack` ends them. */
async function startBuilders(work: string, stack: AsyncDisposableStack) {
  mkdirSync(work);
  const registry = stack.use(await startRegistry());
  const peers = stack.use(await startPeers(work, [startPly("erofs"), startBuildKit]));
  await newest.open(work);
  stack.defer(() => newest.close(work));
  return { registry, peers };
}

/** Ten RUN steps, with the base here. */
async function benchRuns(work: string, rounds: number): Promise<Chart[]> {
  await using stack = new AsyncDisposableStack();
  const { registry, peers } = await startBuilders(work, stack);
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

/** One file of a stage on a large base, when nothing is here: neither the bases nor what the stages made. */
async function benchStages(work: string, rounds: number): Promise<Chart> {
  await using stack = new AsyncDisposableStack();
  const { registry, peers } = await startBuilders(work, stack);
  const imageOf = (peer: Peer, name: string) => `${registry.host}/${peer.name.replace(/\W/g, "")}/${name}:1`;
  const contextOf = (peer: Peer, name: string, lines: readonly string[]) => {
    const directory = join(work, peer.name.replace(/\W/g, ""), name);
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, "Dockerfile"), [...lines, ""].join("\n"));
    writeFileSync(join(directory, "main.c"), "int main() {}\n");
    return directory;
  };
  const build = (peer: Peer, name: string, directory: string, ...flags: string[]) =>
    call(peer, "build", "-q", "--network", "host", ...flags, "-t", imageOf(peer, name), directory);
  const results = new Map<Peer, string>();
  for (const peer of peers) {
    const [small, toolchain] = [imageOf(peer, "small"), imageOf(peer, "toolchain")];
    await feed(peer, tarball(busyboxMembers()), "import", "-c", "ENV PATH=/bin", "-", small);
    const large = [`FROM ${small}`, "RUN head -c 200000000 /dev/urandom > /toolchain"];
    await build(peer, "toolchain", contextOf(peer, "toolchain", large));
    const lines = [`FROM ${toolchain} AS tools`, "WORKDIR /src", "COPY main.c .", "RUN cat main.c > /tool"];
    const directory = contextOf(peer, "result", [...lines, `FROM ${small}`, "COPY --from=tools /tool /tool"]);
    results.set(peer, directory);
    // BuildKit in a dockerd writes no cache of its own; what an image of it carries knows the other stages too.
    const to = peer.name.startsWith("ply")
      ? `type=registry,ref=${imageOf(peer, "cache")},mode=max`
      : "type=inline";
    await build(peer, "result", directory, "--cache-to", to);
    for (const image of [small, toolchain, imageOf(peer, "result")]) await call(peer, "push", "-q", image);
  }
  return await alternate(
    "build: one file of a stage on 200 MB, from a cache in a registry",
    peers,
    rounds,
    async (peer) => {
      for (const name of ["result", "toolchain", "small"])
        await call(peer, "rmi", "-f", imageOf(peer, name)).catch(() => undefined);
      await call(peer, "builder", "prune", "-af");
      const cache = imageOf(peer, peer.name.startsWith("ply") ? "cache" : "result");
      return timed(() => build(peer, "result", results.get(peer) ?? "", "--cache-from", cache));
    },
  );
}
