import { readFileSync } from "node:fs";
import { run } from "../test/support/process.ts";
import { startRegistry } from "../test/support/registry.ts";
import { alternate, option, PULLERS, publish, startPeers, timed } from "./harness.ts";
import { type BenchImage, debianImage, manyFilesImage, manyLayersImage } from "./images.ts";
import { type Chart, tableOf } from "./report.ts";

const PULLED: Readonly<Record<string, (work: string) => Promise<BenchImage>>> = {
  debian: debianImage,
  files: manyFilesImage,
  layers: manyLayersImage,
};

/** Highest resident size the engine ever had, in MB (VmHWM). */
function peakMegabytes(pid: number): number {
  const line = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(line?.[1] ?? Number.NaN) / 1024;
}

export async function benchPull(work: string, rounds: number): Promise<Chart[]> {
  await using registry = await startRegistry({});
  const only = option("only", "");
  const images: BenchImage[] = [];
  for (const [name, make] of Object.entries(PULLED))
    if (only === "" || only === name) images.push(await make(work));
  for (const image of images) await publish(registry, image);
  const charts: Chart[] = [];
  await using peers = await startPeers(work, PULLERS);
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
  return charts;
}
