import { spawn } from "node:child_process";
import { exited, run, until } from "../test/support/process.ts";
import { alternate, call, option, startPeersWithDebian, timed } from "./harness.ts";
import { startDockerOf } from "./peers/docker.ts";
import { installed, newest } from "./peers/installation.ts";
import type { Peer, StartPeer } from "./peers/peer.ts";
import { startPly } from "./peers/ply.ts";
import { startPodmanOf } from "./peers/podman.ts";
import { type Chart, tableOf } from "./report.ts";

const INSIDE = "PLY_BENCH_NETWORK";
const IPERF_PORT = "5201";
const NETWORKED: readonly StartPeer[] = [
  startPly("erofs"),
  startDockerOf(installed, "10.230.0.1/16"),
  startPodmanOf(installed),
  startDockerOf(newest, "10.231.0.1/16"),
  startPodmanOf(newest),
];

/** True when this process may let the peers change the host's network: it is one of its own. */
export const isInNetworkOfOurs = (): boolean => process.env[INSIDE] !== undefined;

/** Runs this program again in a network namespace of its own, where the peers' bridges and rules touch nobody. */
export async function runInNetworkOfOurs(args: readonly string[]): Promise<void> {
  const [script = ""] = process.argv.slice(1);
  const child = spawn(
    "unshare",
    ["--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", process.execPath, script, ...args],
    { stdio: "inherit", env: { ...process.env, [INSIDE]: "1" } },
  );
  await exited(child);
  if (child.exitCode !== 0) throw new Error(`the benchmark of networks ended with ${child.exitCode}`);
}

/** `run` on the default bridge, and what goes through it. */
export async function benchNetwork(work: string, rounds: number): Promise<Chart[]> {
  await using started = await startPeersWithDebian(work, NETWORKED, "verbs");
  const { peers, reference } = started;
  const plain = (peer: Peer) =>
    timed(() => call(peer, "run", "--rm", ...(peer.runFlags ?? []), reference, "true"));
  const publishing = (peer: Peer) =>
    timed(() => call(peer, "run", "--rm", "-p", "8080:80", ...(peer.runFlags ?? []), reference, "true"));
  const only = option("only", "");
  const charts: Chart[] = [];
  if (only !== "throughput")
    charts.push(
      await alternate("run --rm … true (on the default bridge)", peers, rounds * 2, plain),
      await alternate("run --rm -p 8080:80 … true", peers, rounds, publishing),
    );
  // Two podmans would be on one bridge, with one and the same address.
  const apart = peers.filter(({ name }) => !name.startsWith("podman"));
  if (only !== "run") charts.push(...(await throughput(apart, reference, rounds)));
  return charts;
}

interface Place {
  readonly pid: string;
  readonly address: string;
}

/** iperf3 between two containers of each peer, and from one to the host. */
async function throughput(peers: readonly Peer[], reference: string, rounds: number): Promise<Chart[]> {
  const places = new Map<string, readonly [Place, Place, gateway: string]>();
  for (const peer of peers)
    places.set(peer.name, [
      await startPlace(peer, reference, "bench-a"),
      await startPlace(peer, reference, "bench-b"),
      (await inspect(peer, "bench-a", "{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}")) ?? "",
    ]);
  const charts = [];
  for (const [title, way] of [
    ["iperf3: container to host", "host"],
    ["iperf3: container to container", "container"],
  ] as const) {
    const samples = new Map<string, number[]>(peers.map((peer) => [peer.name, []]));
    for (let round = 0; round < rounds; round++)
      for (const [name, [from, to, gateway]] of places)
        samples
          .get(name)
          ?.push(
            way === "host"
              ? await gigabits(from.pid, "self", gateway)
              : await gigabits(from.pid, to.pid, to.address),
          );
    const series = [...samples].map(([peer, values]) => ({ peer, samples: values }));
    charts.push({ title, unit: "Gbit/s", series });
    console.log(`\n${tableOf({ title, unit: "Gbit/s", series })}`);
  }
  for (const peer of peers) await call(peer, "rm", "-f", "bench-a", "bench-b");
  return charts;
}

async function startPlace(peer: Peer, reference: string, name: string): Promise<Place> {
  await call(peer, "run", "-d", "--name", name, ...(peer.runFlags ?? []), reference, "sleep", "100000");
  const address = await inspect(peer, name, "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}");
  return { pid: await inspect(peer, name, "{{.State.Pid}}"), address };
}

const inspect = async (peer: Peer, name: string, format: string): Promise<string> =>
  (await call(peer, "inspect", "-f", format, name)).stdout.trim();

interface Measured {
  readonly end?: { readonly sum_received?: { readonly bits_per_second: number } };
}

/** One second of TCP from a process's network to an address in another's. */
async function gigabits(from: string, to: string, address: string): Promise<number> {
  const within = (pid: string, ...args: string[]) => [`--net=/proc/${pid}/ns/net`, "--", "iperf3", ...args];
  const server = spawn("nsenter", within(to, "-s", "-B", address, "-p", IPERF_PORT), {
    stdio: "ignore",
  });
  try {
    const client = within(from, "-c", address, "-p", IPERF_PORT, "-t", "1", "-J");
    return await until("iperf3 has measured", async () => {
      const { stdout } = await run("nsenter", client, { timeoutMs: 10_000 });
      const measured = JSON.parse(stdout || "{}") as Measured;
      const bits = measured.end?.sum_received?.bits_per_second;
      return bits === undefined ? undefined : bits / 1e9;
    });
  } finally {
    server.kill("SIGKILL");
    await exited(server);
  }
}
