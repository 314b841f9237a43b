import { PlyError } from "../error.ts";
import { isObject } from "../oci/index.ts";
import type { VolumeRecord } from "../volume/index.ts";
import type { DockerVolume, DockerVolumeList, DockerVolumePrune } from "../wire/index.ts";
import { type Exchange, param, readJson, sendEmpty, sendJson } from "./exchange.ts";
import { type Filters, filterBoolean, filterValues, hasLabels, parseFilters } from "./filters.ts";
import { queryBoolean } from "./query.ts";
import type { ApiRoute, Service } from "./service.ts";
import { inSession, withSessionLabel } from "./session-routes.ts";
import { formatTime } from "./timestamp.ts";

/** Named volumes: directories with a life of their own. */
export const volumeRoutes: readonly ApiRoute[] = [
  { method: "GET", path: "/volumes", handler: list },
  { method: "POST", path: "/volumes/create", handler: inSession(create) },
  { method: "POST", path: "/volumes/prune", handler: prune },
  { method: "GET", path: "/volumes/{name}", handler: inspect },
  { method: "DELETE", path: "/volumes/{name}", handler: remove },
];

const LIST_FILTERS = ["dangling", "driver", "label", "name"];
const PRUNE_FILTERS = ["all", "label", "label!"];
const DRIVER = "local";
/** From this API version on a prune spares named volumes unless told otherwise. */
const FIRST_MINOR_THAT_SPARES_NAMED = 42;

function list(exchange: Exchange, { engine }: Service): void {
  const filters = parseFilters(exchange.query, LIST_FILTERS);
  const isDangling = filterBoolean(filters, "dangling");
  const fits = anyOf(filters, "name", ({ name }, part) => name.includes(part));
  const hasDriver = anyOf(filters, "driver", (_, driver) => driver === DRIVER);
  const labels = filterValues(filters, "label");
  const found = engine.volumes
    .list()
    .filter(
      (volume) =>
        fits(volume) &&
        hasDriver(volume) &&
        hasLabels(volume.labels, labels) &&
        (isDangling === undefined || isDangling === (engine.volumes.usersOf(volume.name).length === 0)),
    )
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const body: DockerVolumeList = { Volumes: found.map(dockerVolume), Warnings: [] };
  sendJson(exchange, 200, body);
}

async function create(exchange: Exchange, { engine }: Service): Promise<void> {
  const given = (await readJson(exchange)) ?? {};
  if (!isObject(given)) throw new PlyError("invalid", "invalid JSON: the request body is not an object");
  const body = withSessionLabel(exchange, given);
  const { Name: name = "", Driver: driver, DriverOpts: options, Labels: labels } = body;
  if (typeof name !== "string") throw new PlyError("invalid", "invalid JSON: Name is not a string");
  if (driver !== undefined && driver !== "" && driver !== DRIVER)
    throw new PlyError("not-found", `create ${name}: no volume driver is called ${JSON.stringify(driver)}`, {
      hint: "ply has the driver local",
    });
  const driverOptions = stringsOf(options, "DriverOpts");
  const volume = await engine.volumes.ensure({
    ...(name === "" ? {} : { name }),
    labels: stringsOf(labels, "Labels"),
    ...(Object.keys(driverOptions).length === 0 ? {} : { options: driverOptions }),
  });
  sendJson(exchange, 201, dockerVolume(volume));
}

function inspect(exchange: Exchange, { engine }: Service): void {
  sendJson(exchange, 200, dockerVolume(engine.volumes.get(param(exchange, "name"))));
}

async function remove(exchange: Exchange, { engine }: Service): Promise<void> {
  const name = param(exchange, "name");
  const isKnown = engine.volumes.list().some((volume) => volume.name === name);
  // Forced, a volume that is not there is what was wanted; one in use stays nevertheless.
  if (isKnown || !queryBoolean(exchange.query, "force")) await engine.volumes.remove(name);
  sendEmpty(exchange, 204);
}

async function prune(exchange: Exchange, { engine }: Service): Promise<void> {
  const filters = parseFilters(exchange.query, PRUNE_FILTERS);
  const labels = filterValues(filters, "label");
  const spared = filterValues(filters, "label!");
  const { removed, bytesReclaimed } = await engine.volumes.prune({
    all: exchange.apiMinor < FIRST_MINOR_THAT_SPARES_NAMED || filterBoolean(filters, "all") === true,
    matches: (volume) =>
      hasLabels(volume.labels, labels) && !spared.some((label) => hasLabels(volume.labels, [label])),
  });
  const body: DockerVolumePrune = { VolumesDeleted: removed, SpaceReclaimed: bytesReclaimed };
  sendJson(exchange, 200, body);
}

function dockerVolume(volume: VolumeRecord): DockerVolume {
  return {
    CreatedAt: formatTime(volume.createdAt),
    Driver: DRIVER,
    Labels: Object.keys(volume.labels).length === 0 ? null : volume.labels,
    Mountpoint: volume.path,
    Name: volume.name,
    Options: volume.options ?? null,
    Scope: "local",
  };
}

/** All volumes with what they take and how many containers use them. */
export function volumesWithUsage({ engine }: Service): Promise<DockerVolume[]> {
  return Promise.all(
    engine.volumes.list().map(async (volume) => ({
      ...dockerVolume(volume),
      UsageData: {
        Size: await engine.volumes.sizeOf(volume.name).catch(() => 0),
        RefCount: engine.volumes.usersOf(volume.name).length,
      },
    })),
  );
}

function anyOf(
  filters: Filters,
  name: string,
  fits: (volume: VolumeRecord, value: string) => boolean,
): (volume: VolumeRecord) => boolean {
  const values = filterValues(filters, name);
  return (volume) => values.length === 0 || values.some((value) => fits(volume, value));
}

function stringsOf(value: unknown, field: string): Readonly<Record<string, string>> {
  if (value === undefined || value === null) return {};
  if (!isObject(value)) throw new PlyError("invalid", `invalid JSON: ${field} is not an object`);
  const labels: Record<string, string> = Object.create(null);
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== "string")
      throw new PlyError("invalid", `invalid JSON: ${field}: ${key} is not a string`);
    labels[key] = text;
  }
  return { ...labels };
}
