import { type DockerContainerInspect, decodeFrames } from "../../wire/index.ts";
import { type CommandContext, command } from "../command.ts";
import { UsageError } from "../failure.ts";
import { DONE, parseTime, toEpochSeconds } from "../output/index.ts";
import { segment } from "./ids.ts";

export default command({
  args: { usage: "CONTAINER [CONTAINER...]", min: 1, complete: "container" },
  flags: {
    follow: { kind: "bool", short: "f", help: "Go on with what it prints, until it ends" },
    since: { kind: "string", value: "TIME", help: "From this time on: 10m, 2026-05-01T12:00:00Z" },
    until: { kind: "string", value: "TIME", help: "Up to this time" },
    tail: { kind: "string", short: "n", value: "LINES", default: "all", help: "The last lines only" },
    timestamps: { kind: "bool", short: "t", help: "The time before each line" },
    details: { kind: "bool", help: "The labels and variables that the log options name before each line" },
    clear: { kind: "bool", help: "Forget what was printed up to now, without a word" },
  },
  description: "Of several containers, each line begins with the name of its container.",
  examples: [
    ["ply logs -f --tail 20 web", "the last lines, and what comes"],
    ["ply logs -f web db", "two containers at once"],
    ["ply logs --clear web", "make its log empty"],
  ],
  async run(context, flags, names) {
    if (flags.clear) {
      for (const name of names)
        await context.engine.json("POST", `/ply/containers/${segment(name)}/logs/clear`);
      return DONE;
    }
    if (flags.tail !== "all" && !/^-?\d{1,15}$/.test(flags.tail))
      throw new UsageError(`invalid --tail ${JSON.stringify(flags.tail)}: a number of lines, or all`);
    const nowMs = Date.now();
    // A moment that the engine reads as it is keeps its nanoseconds.
    const time = (text: string | undefined): string | undefined =>
      text === undefined || /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(text)
        ? text
        : toEpochSeconds(parseTime(text, nowMs));
    const query = {
      stdout: true,
      stderr: true,
      follow: flags.follow,
      since: time(flags.since),
      until: time(flags.until),
      tail: flags.tail,
      timestamps: flags.timestamps,
      details: flags.details,
    };
    using interruption = context.interruptible();
    const { signal } = interruption;
    const width = Math.max(...names.map((name) => name.length));
    const read = (name: string) => {
      const prefix = names.length === 1 ? undefined : `${name.padEnd(width)} | `;
      return showLog(context, { name, query, signal, prefix });
    };
    try {
      // Without an end to wait for, one after the other keeps each log in one piece.
      if (flags.follow) await Promise.all(names.map(read));
      else for (const name of names) await read(name);
    } catch (error) {
      // Ctrl-C is how one leaves a stream without an end.
      if (!signal.aborted) throw error;
    }
    return DONE;
  },
});

interface Wanted {
  readonly name: string;
  readonly query: Readonly<Record<string, string | boolean | undefined>>;
  readonly signal: AbortSignal;
  readonly prefix: string | undefined;
}

async function showLog({ engine, stdio }: CommandContext, wanted: Wanted): Promise<void> {
  const { query, signal, prefix } = wanted;
  const path = `/containers/${segment(wanted.name)}`;
  const { Config } = await engine.json<DockerContainerInspect>("GET", `${path}/json`);
  const { body } = await engine.request("GET", `${path}/logs`, { query, signal });
  const prefixed = { stdout: linePrefixer(prefix), stderr: linePrefixer(prefix) };
  const show = (stream: "stdout" | "stderr", bytes: Uint8Array) =>
    stdio.writeBytes(stream, prefixed[stream](bytes));
  if (Config.Tty === true) for await (const bytes of body) await show("stdout", bytes);
  else
    for await (const { stream, bytes } of decodeFrames(body))
      await show(stream === "stderr" ? "stderr" : "stdout", bytes);
}

/** Puts `prefix` before each line of a stream, however it is cut. */
function linePrefixer(prefix: string | undefined): (bytes: Uint8Array) => Uint8Array {
  if (prefix === undefined) return (bytes) => bytes;
  const before = Buffer.from(prefix);
  let isLineStart = true;
  return (bytes) => {
    const parts: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; ) {
      const newline = bytes.indexOf(0x0a, at);
      const end = newline < 0 ? bytes.length : newline + 1;
      if (isLineStart) parts.push(before);
      parts.push(bytes.subarray(at, end));
      isLineStart = newline >= 0;
      at = end;
    }
    return Buffer.concat(parts);
  };
}
