import type { ContainerRecord } from "../container/index.ts";
import type { Engine } from "../engine.ts";
import { isPlyError } from "../error.ts";
import type { ImageId } from "../oci/index.ts";
import { type Filters, filterBoolean, filterValues, hasLabels, invalidValue } from "./filters.ts";
import { exposedPorts, parsePortRange } from "./port-map.ts";
import { searchPattern } from "./search-pattern.ts";

export const CONTAINER_FILTERS = [
  "ancestor",
  "before",
  "exited",
  "expose",
  "health",
  "id",
  "is-task",
  "isolation",
  "label",
  "name",
  "network",
  "publish",
  "since",
  "status",
  "volume",
];

const STATUSES = ["created", "running", "paused", "restarting", "removing", "exited", "dead"];
const HEALTH = ["starting", "healthy", "unhealthy", "none"];

/**
 * Docker's container filters as one claim: different filters all hold, values of one filter are alternatives
 * (labels: all). Throws "invalid" for values that cannot be, not-found for a container that `before` names.
 */
export function containerMatcher(filters: Filters, engine: Engine): (container: ContainerRecord) => boolean {
  const claims: ((container: ContainerRecord) => boolean)[] = [];
  const anyOf = (name: string, fits: (container: ContainerRecord, value: string) => boolean) => {
    const values = filterValues(filters, name);
    if (values.length > 0) claims.push((container) => values.some((value) => fits(container, value)));
  };
  checkValues(filters, "status", STATUSES);
  checkValues(filters, "health", HEALTH);
  anyOf("status", (container, status) => container.status === status);
  anyOf("id", (container, prefix) => container.id.startsWith(prefix));
  anyOf("name", nameMatcher(filterValues(filters, "name")));
  anyOf(
    "exited",
    (container, code) => container.status === "exited" && container.exitCode === exitCode(code),
  );
  anyOf("network", (container, network) => isOn(container, network, engine));
  anyOf("volume", (container, volume) =>
    (container.mounts ?? []).some(({ source, target }) => source === volume || target === volume),
  );
  anyOf("expose", (container, port) => {
    const exposed = exposedPorts(Object.keys(container.config.ExposedPorts ?? {}));
    return exposed.some((each) => isWithin(each, port));
  });
  anyOf("publish", (container, port) => {
    const published = engine.networks.attachmentOf(container.id)?.ports ?? [];
    return published.some(({ hostPort, protocol }) => isWithin({ port: hostPort, protocol }, port));
  });
  anyOf("health", (container, health) => (container.health?.status ?? "none") === health);
  if (filterBoolean(filters, "is-task") === true) claims.push(() => false);
  const labels = filterValues(filters, "label");
  if (labels.length > 0) claims.push((container) => hasLabels(container.config.Labels ?? {}, labels));
  for (const name of filterValues(filters, "before")) {
    const { createdAt } = engine.containers.get(name);
    claims.push((container) => container.createdAt < createdAt);
  }
  for (const name of filterValues(filters, "since")) {
    const { createdAt } = engine.containers.get(name);
    claims.push((container) => container.createdAt > createdAt);
  }
  const ancestors = filterValues(filters, "ancestor");
  if (ancestors.length > 0) claims.push(descendsFrom(ancestors, engine));
  return (container) => claims.every((claim) => claim(container));
}

/** By the network's name or id, or the container's mode. */
function isOn({ host }: ContainerRecord, wanted: string, engine: Engine): boolean {
  if (host.networkMode === wanted) return true;
  const isWanted = ({ id, name }: { readonly id: string; readonly name: string }) =>
    name === wanted || id === wanted;
  const known = engine.networks.list().find(isWanted);
  return (host.networks ?? []).some(({ network }) => network === known?.name || network === known?.id);
}

/** `80`, `80/udp`, `8000-8010`. Throws "invalid" in Docker's words. */
function isWithin(
  { port, protocol }: { readonly port: number; readonly protocol: string },
  wanted: string,
): boolean {
  const range = parsePortRange(wanted);
  return range.protocol === protocol && range.first <= port && port <= range.last;
}

function checkValues(filters: Filters, name: string, known: readonly string[]): void {
  for (const value of filterValues(filters, name))
    if (!known.includes(value)) throw invalidValue(name, value);
}

function exitCode(value: string): number {
  if (!/^\d{1,3}$/.test(value)) throw invalidValue("exited", value);
  return Number(value);
}

/** Docker takes names as regular expressions, with or without the leading slash. */
function nameMatcher(values: readonly string[]): (container: ContainerRecord, value: string) => boolean {
  const patterns = new Map(values.map((value) => [value, namePattern(value)]));
  return (container, value) => {
    const pattern = patterns.get(value);
    return pattern !== undefined && (pattern.test(container.name) || pattern.test(`/${container.name}`));
  };
}

function namePattern(value: string): RegExp {
  const pattern = searchPattern(value);
  if (pattern === undefined) throw invalidValue("name", value.slice(0, 64));
  return pattern;
}

/** Made from the image, or from one that was committed from it. */
function descendsFrom(ancestors: readonly string[], engine: Engine): (container: ContainerRecord) => boolean {
  const ids = new Set<ImageId>();
  for (const ancestor of ancestors) {
    const image = resolveOrNone(engine, ancestor);
    if (image !== undefined) ids.add(image.id);
  }
  return (container) => {
    if (ancestors.includes(container.imageName)) return true;
    let id: ImageId | null = container.imageId;
    const seen = new Set<ImageId>();
    while (id !== null && !seen.has(id)) {
      if (ids.has(id)) return true;
      seen.add(id);
      id = resolveOrNone(engine, id)?.parentId ?? null;
    }
    return false;
  };
}

function resolveOrNone(engine: Engine, name: string) {
  try {
    return engine.images.resolve(name);
  } catch (error) {
    if (isPlyError(error, "not-found")) return undefined;
    throw error;
  }
}
