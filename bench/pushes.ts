import { readFileSync } from "node:fs";
import { join } from "node:path";
import { debianRoot } from "../test/support/debian.ts";
import { must } from "../test/support/process.ts";
import { startRegistry } from "../test/support/registry.ts";
import { alternate, call, ENGINES, feed, option, startPeers, timed } from "./harness.ts";
import { manyFilesImage } from "./images.ts";
import { type Chart, tableOf } from "./report.ts";

const IMPORTED = "localhost/bench-push:1";

interface Subject {
  readonly name: string;
  readonly title: string;
  readonly layer: (work: string) => Promise<Uint8Array>;
}

const SUBJECTS: readonly Subject[] = [
  {
    name: "debian",
    title: "push of a Debian root, one layer",
    layer: async () => readFileSync((await debianRoot()).tar),
  },
  {
    name: "files",
    title: "push of 50,000 small files, one layer",
    layer: async (work) => {
      await manyFilesImage(work);
      return readFileSync(join(work, "files.tar"));
    },
  },
];

/** A layer that was made here goes to a registry that has nothing, each time another one: it is compressed and sent. */
export async function benchPush(work: string, rounds: number): Promise<Chart[]> {
  await using peers = await startPeers(work, ENGINES, "verbs");
  const only = option("only", "");
  const charts: Chart[] = [];
  for (const { title, layer } of SUBJECTS.filter(({ name }) => only === "" || name === only)) {
    const tar = await layer(work);
    for (const peer of peers) await feed(peer, tar, "import", "-", IMPORTED);
    const sizes = new Map<string, number>();
    charts.push(
      await alternate(title, peers, rounds, async (peer) => {
        await using registry = await startRegistry();
        const reference = `${registry.host}/bench/push:1`;
        await call(peer, "tag", IMPORTED, reference);
        const milliseconds = await timed(() => call(peer, "push", ...(peer.pushFlags ?? []), reference));
        const { stdout } = await must("skopeo", [
          "inspect",
          "--raw",
          "--tls-verify=false",
          `docker://${reference}`,
        ]);
        sizes.set(peer.name, JSON.parse(stdout).layers[0].size / 1e6);
        await call(peer, "rmi", reference);
        return milliseconds;
      }),
    );
    const chart = {
      title: `${title}: what the registry then has`,
      unit: "MB",
      series: [...sizes].map(([peer, size]) => ({ peer, samples: [size] })),
    };
    console.log(`\n${tableOf(chart)}`);
    charts.push(chart);
    for (const peer of peers) await call(peer, "rmi", "-f", IMPORTED);
  }
  return charts;
}
