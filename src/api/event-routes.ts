import type { EngineEvent } from "../event/index.ts";
import { drained, type Exchange } from "./exchange.ts";
import { type Filters, filterValues, hasLabels, parseFilters } from "./filters.ts";
import type { Service } from "./service.ts";
import { parseTimestamp } from "./timestamp.ts";

const EVENT_FILTERS = [
  "config",
  "container",
  "daemon",
  "event",
  "image",
  "label",
  "network",
  "node",
  "plugin",
  "scope",
  "secret",
  "service",
  "type",
  "volume",
];

/** `GET /events`: past events from `since`, then live ones up to `until` or the client's leave. */
export async function streamEvents(exchange: Exchange, { engine, clock }: Service): Promise<void> {
  const { query, response, signal } = exchange;
  const filters = parseFilters(query, EVENT_FILTERS);
  const moment = (name: string) => {
    const text = query.get(name);
    return text === null || text === "" ? undefined : parseTimestamp(text, clock());
  };
  const since = moment("since");
  const until = moment("until");
  const events = engine.events.subscribe(
    {
      matches: eventMatcher(filters),
      ...(since === undefined ? {} : { since }),
      ...(until === undefined ? {} : { until }),
    },
    signal,
  );
  const format = formatFor(exchange.headers.accept);
  response.writeHead(200, { "Content-Type": format.contentType });
  // A client that reads no header yet would not know that it is subscribed.
  response.flushHeaders();
  for await (const event of events) {
    if (!response.write(`${format.prefix}${eventLine(event)}\n`)) await drained(response, signal);
    if (signal.aborted) return;
  }
  response.end();
}

function formatFor(accept: string | undefined): { readonly contentType: string; readonly prefix: string } {
  // RFC 7464: a record separator before each text.
  if (accept?.includes("application/json-seq"))
    return { contentType: "application/json-seq", prefix: "\x1e" };
  for (const type of ["application/jsonl", "application/x-ndjson"])
    if (accept?.includes(type)) return { contentType: type, prefix: "" };
  return { contentType: "application/json", prefix: "" };
}

/** One event as Docker's JSON. `timeNano` is beyond what a JSON number of JavaScript holds, hence by hand. */
function eventLine(event: EngineEvent): string {
  const { id, attributes } = event.actor;
  const isOld = event.type === "container" || event.type === "image";
  const from = event.type === "container" ? attributes["image"] : undefined;
  const body = {
    // Names of the first version of this API, still read by many.
    ...(isOld ? { status: event.action, id } : {}),
    ...(from === undefined ? {} : { from }),
    Type: event.type,
    Action: event.action,
    Actor: { ID: id, Attributes: attributes },
    scope: "local",
    time: Number(event.timeNano / 1_000_000_000n),
  };
  return `${JSON.stringify(body).slice(0, -1)},"timeNano":${event.timeNano}}`;
}

/** Docker's event filters: different filters all hold, values of one are alternatives (labels: all). */
function eventMatcher(filters: Filters): (event: EngineEvent) => boolean {
  const claims: ((event: EngineEvent) => boolean)[] = [];
  const anyOf = (name: string, fits: (event: EngineEvent, value: string) => boolean) => {
    const values = filterValues(filters, name);
    if (values.length > 0) claims.push((event) => values.some((value) => fits(event, value)));
  };
  anyOf("type", (event, type) => event.type === type);
  // `health_status` fits `health_status: healthy`, `exec_start` fits `exec_start: sh`.
  anyOf("event", (event, action) => event.action === action || event.action.startsWith(`${action}: `));
  anyOf("scope", (_, scope) => scope === "local");
  for (const type of [
    "container",
    "volume",
    "network",
    "daemon",
    "plugin",
    "service",
    "node",
    "secret",
    "config",
  ])
    anyOf(type, (event, wanted) => event.type === type && isActor(event, wanted));
  anyOf("image", (event, wanted) => isImage(event, wanted));
  const labels = filterValues(filters, "label");
  if (labels.length > 0) claims.push((event) => hasLabels(event.actor.attributes, labels));
  return (event) => claims.every((claim) => claim(event));
}

function isActor(event: EngineEvent, wanted: string): boolean {
  const { id, attributes } = event.actor;
  return id.startsWith(wanted) || (attributes["name"]?.startsWith(wanted) ?? false);
}

/** Images by id or name, with or without tag; containers by the image they are of. */
function isImage(event: EngineEvent, wanted: string): boolean {
  if (event.type !== "image" && event.type !== "container") return false;
  const { id, attributes } = event.actor;
  const name = attributes[event.type === "image" ? "name" : "image"] ?? "";
  const withoutTag = (text: string) => text.replace(/:[^:/]*$/, "");
  return event.type === "image"
    ? [id, name, withoutTag(id), withoutTag(name)].includes(wanted)
    : [name, withoutTag(name)].includes(wanted);
}
