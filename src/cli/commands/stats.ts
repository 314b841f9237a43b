import type { DockerContainerSummary, DockerStats } from "../../wire/index.ts";
import type { EngineClient } from "../client/index.ts";
import { command } from "../command.ts";
import { DONE, formatListing, listing } from "../output/index.ts";
import { LIST_FORMAT_FLAG } from "./format-flag.ts";
import { segment } from "./ids.ts";
import { SHOWN_STATS, type StatsRow, statsColumns } from "./stats-columns.ts";

/** Home and "clear to the end": the table is painted over itself. */
const REPAINT = "\x1b[H\x1b[J";
const REFRESH_MS = 500;

export default command({
  args: { usage: "[CONTAINER...]", min: 0, complete: "running" },
  flags: {
    all: { kind: "bool", short: "a", help: "Stopped containers too" },
    "no-stream": { kind: "bool", help: "Show one sample and leave" },
    "no-trunc": { kind: "bool", help: "Show ids in full" },
    format: LIST_FORMAT_FLAG,
  },
  description:
    "Without names: all that run. Template fields: .Container .ID .Name .CPUPerc .MemUsage .MemPerc .NetIO .BlockIO .PIDs",
  async run(context, flags, names) {
    const { engine, stdio } = context;
    const wanted = names.length > 0 ? names : await namesOf(engine, flags.all);
    const show = (rows: readonly StatsRow[]) =>
      listing({
        columns: statsColumns(flags["no-trunc"]),
        rows,
        shown: SHOWN_STATS,
        format: flags.format,
      });
    if (flags["no-stream"]) return show(await Promise.all(wanted.map((name) => sampleOnce(engine, name))));
    using interruption = context.interruptible();
    const { signal } = interruption;
    const rows = new Map<string, StatsRow>();
    const failures: unknown[] = [];
    let isNew = false;
    const following = new Map<string, Promise<void>>();
    const follow = (name: string): void => {
      if (following.has(name)) return;
      const done = followOne(engine, { name, signal }, (row) => {
        rows.set(name, row);
        isNew = true;
      })
        .catch((error: unknown) => failures.push(error))
        .then(() => {
          following.delete(name);
          rows.delete(name);
          isNew = true;
        });
      following.set(name, done);
    };
    for (const name of wanted) follow(name);
    for (let turn = 1; !signal.aborted && failures.length === 0; turn++) {
      await pause(REFRESH_MS, signal);
      // Without names it is about all there are, whenever they came.
      if (names.length === 0 && turn % 2 === 0)
        for (const name of await namesOf(engine, flags.all)) follow(name);
      if (names.length > 0 && following.size === 0) break;
      if (!isNew) continue;
      isNew = false;
      const table = formatListing(show([...rows.values()]).listing).join("\n");
      stdio.out(`${stdio.isTerminal("stdout") ? REPAINT : ""}${table}\n`);
    }
    if (failures.length > 0 && !signal.aborted) throw failures[0];
    return DONE;
  },
});

async function namesOf(engine: EngineClient, all: boolean): Promise<string[]> {
  const containers = await engine.json<DockerContainerSummary[]>("GET", "/containers/json", {
    query: { all },
  });
  return containers.map(({ Id }) => Id);
}

async function sampleOnce(engine: EngineClient, name: string): Promise<StatsRow> {
  const stats = await engine.json<DockerStats>("GET", `/containers/${segment(name)}/stats`, {
    query: { stream: "0" },
  });
  return { name, stats };
}

/** Resolves when the container has gone or the signal is aborted. */
async function followOne(
  engine: EngineClient,
  { name, signal }: { readonly name: string; readonly signal: AbortSignal },
  onSample: (row: StatsRow) => void,
): Promise<void> {
  const samples = await engine.stream<DockerStats>("GET", `/containers/${segment(name)}/stats`, { signal });
  for await (const stats of samples) onSample({ name, stats });
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
