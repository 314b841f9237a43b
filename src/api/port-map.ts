import { PlyError } from "../error.ts";
import type { PortProtocol, PortRequest, PublishedPort } from "../network/index.ts";
import type { DockerPort, DockerPortBinding, DockerPortMap } from "../wire/index.ts";
import { type Fields, fieldsOf, objects, text } from "./fields.ts";

/** Ports as Docker writes them (`80/tcp`, `8000-8010/udp`), there and back. */

const SPECIFICATION = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(\w+))?$/;
const PROTOCOLS: readonly string[] = ["tcp", "udp", "sctp"] satisfies PortProtocol[];

export interface PortRange {
  readonly first: number;
  readonly last: number;
  readonly protocol: PortProtocol;
}

/** Throws "invalid" in Docker's words. */
export function parsePortRange(text: string): PortRange {
  const [, first, last = first, protocol = "tcp"] = SPECIFICATION.exec(text) ?? [];
  const range = {
    first: Number(first),
    last: Number(last),
    protocol: protocol.toLowerCase() as PortProtocol,
  };
  if (first === undefined || !PROTOCOLS.includes(range.protocol) || !isRange(range))
    throw new PlyError("invalid", `invalid port specification: ${JSON.stringify(text)}`, {
      hint: "like 80/tcp or 8000-8010/udp",
    });
  return range;
}

function isRange({ first, last }: { readonly first: number; readonly last: number }): boolean {
  return first >= 1 && first <= last && last <= 65_535;
}

/** `PortBindings` of a create request. A port without bindings is not published. Throws "invalid". */
export function parsePortBindings(hostConfig: Fields): PortRequest[] {
  const bindings = fieldsOf(hostConfig, "PortBindings");
  return Object.keys(bindings).flatMap((key) => {
    const { first, last, protocol } = parsePortRange(key);
    if (first !== last) throw new PlyError("invalid", `invalid port specification: ${JSON.stringify(key)}`);
    return objects(bindings, key).map((binding): PortRequest => {
      const hostAddress = text(binding, "HostIp");
      const hostPorts = parseHostPorts(text(binding, "HostPort"));
      return {
        containerPort: first,
        protocol,
        ...(hostAddress === "" ? {} : { hostAddress }),
        ...(hostPorts === undefined ? {} : { hostPorts }),
      };
    });
  });
}

/** "" and "0": any. */
function parseHostPorts(given: string): readonly [number, number] | undefined {
  if (given === "" || given === "0") return undefined;
  const { first, last } = parsePortRange(given);
  return [first, last];
}

/** The requests as `PortBindings`. */
export function viewPortBindings(ports: readonly PortRequest[]): DockerPortMap {
  return grouped(
    ports.map(({ containerPort, protocol, hostAddress = "", hostPorts }) => {
      const [first, last] = hostPorts ?? ["", ""];
      return [
        `${containerPort}/${protocol}`,
        { HostIp: hostAddress, HostPort: first === last ? `${first}` : `${first}-${last}` },
      ];
    }),
  );
}

/** What a running container's ports came to, those that are only exposed among them. */
export function viewPublished(ports: readonly PublishedPort[], exposed: readonly string[]): DockerPortMap {
  const bound = grouped(
    ports.map(({ containerPort, protocol, hostAddress, hostPort }) => [
      `${containerPort}/${protocol}`,
      { HostIp: hostAddress, HostPort: String(hostPort) },
    ]),
  );
  const bare = exposedPorts(exposed).map(({ port, protocol }) => [`${port}/${protocol}`, null] as const);
  return { ...Object.fromEntries(bare), ...bound };
}

/** The same in a list of containers. */
export function listPorts(ports: readonly PublishedPort[], exposed: readonly string[]): DockerPort[] {
  const published = ports.map(
    ({ containerPort, protocol, hostAddress, hostPort }): DockerPort => ({
      IP: hostAddress,
      PrivatePort: containerPort,
      PublicPort: hostPort,
      Type: protocol,
    }),
  );
  const isPublished = (port: number, protocol: string) =>
    ports.some((each) => each.containerPort === port && each.protocol === protocol);
  const bare = exposedPorts(exposed)
    .filter(({ port, protocol }) => !isPublished(port, protocol))
    .map(({ port, protocol }): DockerPort => ({ PrivatePort: port, Type: protocol }));
  return [...published, ...bare].sort(
    (one, other) => one.PrivatePort - other.PrivatePort || (one.Type < other.Type ? -1 : 1),
  );
}

/** Ports of an image's or container's `ExposedPorts`, ranges taken apart; what is no port is passed over. */
export function exposedPorts(
  exposed: readonly string[],
): { readonly port: number; readonly protocol: PortProtocol }[] {
  return exposed.flatMap((text) => {
    if (SPECIFICATION.exec(text) === null) return [];
    const { first, last, protocol } = parsePortRange(text);
    return Array.from({ length: last - first + 1 }, (_, at) => ({ port: first + at, protocol }));
  });
}

function grouped(entries: readonly (readonly [string, DockerPortBinding])[]): DockerPortMap {
  const map: Record<string, DockerPortBinding[]> = {};
  for (const [port, binding] of entries) {
    const bindings = map[port] ?? [];
    map[port] = bindings;
    bindings.push(binding);
  }
  return map;
}
