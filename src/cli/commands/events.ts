import type { DockerEvent } from "../../wire/index.ts";
import { command } from "../command.ts";
import { ExitError, UsageError } from "../failure.ts";
import { DONE, formatRfc3339, parseTime, printable, toEpochSeconds } from "../output/index.ts";
import { parseTemplate, runTemplate, type Template, TemplateError } from "../template/index.ts";
import { FILTER_FLAG, filtersParameter, parseFilters } from "./filter-flag.ts";

export default command({
  args: { usage: "", min: 0, max: 0 },
  flags: {
    since: {
      kind: "string",
      value: "TIME",
      help: "Past events too, from this time on: 10m, 2026-05-01T12:00:00Z",
    },
    until: { kind: "string", value: "TIME", help: "End at this time" },
    filter: FILTER_FLAG,
    format: {
      kind: "string",
      value: "FORMAT",
      help: "'json', or a Go template: '{{.Action}} {{.Actor.ID}}'",
    },
  },
  description:
    "Filters: type=image|container|volume, event=ACTION, image=NAME, container=NAME, volume=NAME, label=KEY[=VALUE]. Template fields: .Type .Action .Actor.ID .Actor.Attributes .Time .TimeNano",
  examples: [["ply events --since 1h --until 0s --filter event=pull", "what was pulled in the last hour"]],
  async run(context, flags) {
    const nowMs = Date.now();
    const time = (text: string | undefined): string | undefined =>
      text === undefined ? undefined : toEpochSeconds(parseTime(text, nowMs));
    const show = formatter(flags.format);
    using interruption = context.interruptible();
    const { signal } = interruption;
    try {
      const events = await context.engine.stream<DockerEvent>("GET", "/events", {
        query: {
          since: time(flags.since),
          until: time(flags.until),
          filters: filtersParameter(parseFilters(flags.filter, nowMs)),
        },
        signal,
      });
      for await (const event of events) context.stdio.out(`${show(event)}\n`);
    } catch (error) {
      // Ctrl-C is how one leaves a stream without an end.
      if (!signal.aborted) throw error;
    }
    return DONE;
  },
});

function formatter(format: string | undefined): (event: DockerEvent) => string {
  if (format === undefined || format === "") return formatEvent;
  if (format === "json") return (event) => JSON.stringify(event);
  const template = compile(format);
  return (event) => {
    try {
      return runTemplate(template, event);
    } catch (error) {
      throw error instanceof TemplateError
        ? new ExitError(1, `template parsing error: ${error.message}`)
        : error;
    }
  };
}

function compile(format: string): Template {
  try {
    return parseTemplate(format, { unescapeText: true });
  } catch (error) {
    throw error instanceof TemplateError
      ? new UsageError(`failed to parse template: ${error.message}`, 1)
      : error;
  }
}

/** `2026-05-01T12:00:00.123456789Z image pull debian:12 (name=debian)` */
function formatEvent(event: DockerEvent): string {
  // A JavaScript number holds it to some 256 ns: microseconds are what is true of it.
  const nanoseconds = Math.min(999_999, Math.round((event.timeNano % 1e9) / 1000)) * 1000;
  const attributes = Object.entries(event.Actor.Attributes ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join(", ");
  const words = `${event.Type} ${event.Action} ${event.Actor.ID}${attributes === "" ? "" : ` (${attributes})`}`;
  return `${formatRfc3339(event.time * 1000, nanoseconds)} ${printable(words)}`;
}
