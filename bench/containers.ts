import { must } from "../test/support/process.ts";
import { alternate, call, ENGINES, startPeers, startPeersWithDebian, timed } from "./harness.ts";
import { manyImagesArchive } from "./images.ts";
import type { Peer } from "./peers/peer.ts";
import type { Chart } from "./report.ts";

export async function benchRun(work: string, rounds: number): Promise<Chart[]> {
  await using started = await startPeersWithDebian(work, ENGINES, "runCommand");
  const { peers, reference } = started;
  const turn = async (peer: Peer): Promise<number> => {
    const [program, ...args] = peer.runCommand?.(reference, ["true"]) ?? ["false"];
    return timed(() => must(program, args, { env: peer.environment }));
  };
  return [await alternate("run --rm --network host … true", peers, rounds * 4, turn)];
}

export async function benchExec(work: string, rounds: number): Promise<Chart[]> {
  await using started = await startPeersWithDebian(work, ENGINES, "verbs");
  const { peers, reference } = started;
  for (const peer of peers) {
    const flags = ["-d", "--name", "bench", "--network", "host", ...(peer.runFlags ?? [])];
    await call(peer, "run", ...flags, reference, "sleep", "100000");
  }
  const turn = (peer: Peer) => timed(() => call(peer, "exec", "bench", "true"));
  const charts = [await alternate("exec … true", peers, rounds * 4, turn)];
  for (const peer of peers) await call(peer, "rm", "-f", "bench");
  return charts;
}

/** Listing 500 containers that do not run. */
export async function benchPs(work: string, rounds: number): Promise<Chart[]> {
  await using started = await startPeersWithDebian(work, ENGINES, "verbs");
  const { peers, reference } = started;
  const names = Array.from({ length: 500 }, (_, at) => `bench-${at}`);
  for (const peer of peers) {
    const flags = ["--network", "host", ...(peer.runFlags ?? [])];
    const left = [...names];
    const createRest = async () => {
      for (let name = left.pop(); name !== undefined; name = left.pop())
        await call(peer, "create", "--name", name, ...flags, reference, "true");
    };
    await Promise.all(Array.from({ length: 4 }, createRest));
  }
  return [
    await alternate("list 500 containers (ps -a)", peers, rounds * 4, (peer) =>
      timed(() => call(peer, "ps", "-a")),
    ),
  ];
}

export async function benchImages(work: string, rounds: number): Promise<Chart[]> {
  const archive = await manyImagesArchive(work, 500);
  await using peers = await startPeers(work, ENGINES, "listCommand");
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
}
