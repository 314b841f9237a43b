import { readFileSync } from "node:fs";
import { alternate, call, ENGINES, startPeersWithDebian, timed } from "./harness.ts";
import type { Peer } from "./peers/peer.ts";
import { type Chart, type Series, tableOf } from "./report.ts";

/** How many containers are started at once. */
const MANY = 100;

/** A stopped container, started again: to its end, and until it runs. */
export async function benchStart(work: string, rounds: number): Promise<Chart[]> {
  await using started = await startPeersWithDebian(work, ENGINES, "verbs");
  const { peers, reference } = started;
  for (const peer of peers) {
    const flags = ["--network", "host", ...(peer.runFlags ?? [])];
    await call(peer, "create", "--name", "short", ...flags, reference, "true");
    await call(peer, "create", "--name", "long", ...flags, reference, "sleep", "100000");
  }
  const short = (peer: Peer) => timed(() => call(peer, "start", "-a", "short"));
  const long = async (peer: Peer) => {
    const milliseconds = await timed(() => call(peer, "start", "long"));
    await call(peer, "kill", "long");
    await call(peer, "wait", "long");
    return milliseconds;
  };
  return [
    await alternate("start -a of a stopped container (true)", peers, rounds * 4, short),
    await alternate("start of a stopped container (sleep)", peers, rounds * 2, long),
  ];
}

/** All clients at once, until the last has its container running. Once for each peer: some take very long. */
export async function benchHundred(work: string): Promise<Chart[]> {
  await using started = await startPeersWithDebian(work, ENGINES, "verbs");
  const { peers, reference } = started;
  const times: Series[] = [];
  const memory: Series[] = [];
  for (const peer of peers) {
    const flags = ["-d", "--network", "host", ...(peer.runFlags ?? [])];
    const start = (name: string) => call(peer, "run", "--name", name, ...flags, reference, "sleep", "100000");
    await start("first");
    const names = Array.from({ length: MANY }, (_, at) => `c${at}`);
    const before = engineMegabytes(peer);
    times.push({ peer: peer.name, samples: [await timed(() => Promise.all(names.map(start)))] });
    if (peer.enginePid !== undefined)
      memory.push({ peer: peer.name, samples: [(engineMegabytes(peer) - before) / MANY] });
    await call(peer, "rm", "-f", "first", ...names);
  }
  const charts: Chart[] = [
    { title: `${MANY} containers started at once`, unit: "ms", series: times },
    { title: "growth of the engine's memory for each of them", unit: "MB", series: memory },
  ];
  for (const chart of charts) console.log(`\n${tableOf(chart)}`);
  return charts;
}

/** What the engine has in memory for itself (PSS): with docker's containerd, without the containers' own monitors. */
function engineMegabytes({ enginePid }: Peer): number {
  if (enginePid === undefined) return 0;
  const children = readFileSync(`/proc/${enginePid}/task/${enginePid}/children`, "utf8").split(" ");
  const engine = [String(enginePid), ...children.filter((pid) => read(pid, "comm") === "containerd\n")];
  const kilobytes = engine.map((pid) =>
    Number(/^Pss:\s+(\d+) kB$/m.exec(read(pid, "smaps_rollup"))?.[1] ?? 0),
  );
  return kilobytes.reduce((sum, each) => sum + each, 0) / 1024;
}

/** Empty for a process that has gone. */
function read(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
}
