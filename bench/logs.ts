import { must } from "../test/support/process.ts";
import { alternate, call, ENGINES, startPeersWithDebian, timed } from "./harness.ts";
import type { Peer } from "./peers/peer.ts";
import type { Chart } from "./report.ts";

const MEGABYTE = 1_000_000;

/**
 * What a container printed in lines of 100 bytes, from the engine's file to a client that throws it away: 100 MB of
 * every peer, for some take a quarter of an hour for the gigabyte, and that of ply alone.
 */
export async function benchLogs(work: string, rounds: number): Promise<Chart[]> {
  await using started = await startPeersWithDebian(work, ENGINES, "verbs");
  const { peers, reference } = started;
  const print = async (peer: Peer, name: string, bytes: number) => {
    const limits = peer.name.startsWith("ply") ? ["--log-opt", "max-size=-1"] : [];
    const flags = ["-d", "--name", name, "--network", "host", ...limits, ...(peer.runFlags ?? [])];
    const script = `yes ${"x".repeat(99)} | head -c ${bytes}`;
    await call(peer, "run", ...flags, reference, "sh", "-c", script);
    await call(peer, "wait", name);
  };
  const show = ({ verbs = ["false"], environment }: Peer, name: string) =>
    timed(() =>
      must("sh", ["-c", '"$@" > /dev/null', "sh", ...verbs, "logs", name], {
        env: environment,
        timeoutMs: 600_000,
      }),
    );
  for (const peer of peers) {
    await print(peer, "bench", 100 * MEGABYTE);
  }
  const ply = peers.filter(({ name }) => name.startsWith("ply"));
  for (const peer of ply) await print(peer, "long", 1000 * MEGABYTE);
  return [
    await alternate("logs of 100 MB", peers, rounds, (peer) => show(peer, "bench")),
    await alternate("logs of 1 GB", ply, rounds, (peer) => show(peer, "long")),
  ];
}
