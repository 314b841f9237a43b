import type { Attachment } from "../network/index.ts";
import type { ContainerRecord } from "./containers.ts";
import { linkAlias, type Others, resolveLinks } from "./etc-network.ts";

/**
 * What a container of the default bridge is told in its environment about the containers that it is linked to (Docker's legacy `--link`):
 * `STORE_NAME`, `STORE_PORT`, `STORE_PORT_6379_TCP_ADDR`, …, and the other's own variables as `STORE_ENV_…`.
 */
export function linkedEnv(
  { name }: Pick<ContainerRecord, "name">,
  attachment: Pick<Attachment, "endpoints">,
  others: Others,
  find: (id: string) => Pick<ContainerRecord, "config">,
): string[] {
  return resolveLinks(attachment, others).flatMap(({ alias, address, other }) => {
    const { Env, ExposedPorts } = find(other.containerId).config;
    const prefix = prefixOf(alias);
    return [
      ...portVariables(`${prefix}PORT`, address, Object.keys(ExposedPorts ?? {})),
      `${prefix}NAME=/${name}/${alias}`,
      ...(Env ?? []).filter((entry) => !/^(HOME|PATH)=/.test(entry)).map((entry) => `${prefix}ENV_${entry}`),
    ];
  });
}

/** Those of a running container's variables that its links brought. */
export function linkedVariables(
  networks: ContainerRecord["host"]["networks"],
  env: readonly string[],
): string[] {
  const links = (networks ?? []).flatMap((endpoint) => endpoint.links ?? []);
  const prefixes = links.map((link) => prefixOf(linkAlias(link)));
  return env.filter((entry) => prefixes.some((prefix) => entry.startsWith(prefix)));
}

const prefixOf = (alias: string): string => `${alias.toUpperCase().replaceAll("-", "_")}_`;

interface Port {
  readonly port: number;
  readonly protocol: string;
}

/** The first port has the short name; three and more in a row are given as a range too. */
function portVariables(prefix: string, address: string, exposed: readonly string[]): string[] {
  const ports = exposed.map(parsePort).sort(tcpFirst);
  const url = ({ port, protocol }: Port) => `${protocol}://${address}:${port}`;
  const named = ({ port, protocol }: Port) => `${prefix}_${port}_${protocol.toUpperCase()}`;
  const [first] = ports;
  if (first === undefined) return [];
  const ranges = rows(ports).map(([start, end]) => [
    `${named(start)}_START=${url(start)}`,
    `${named(start)}_PORT_START=${start.port}`,
    `${named(start)}_END=${url(end)}`,
    `${named(start)}_PORT_END=${end.port}`,
  ]);
  const single = ports.map((each) => [
    `${named(each)}=${url(each)}`,
    `${named(each)}_ADDR=${address}`,
    `${named(each)}_PORT=${each.port}`,
    `${named(each)}_PROTO=${each.protocol}`,
  ]);
  return [`${prefix}=${url(first)}`, ...ranges.flat(), ...single.flat()];
}

/** First and last of each three or more ports that follow one another. */
function rows(ports: readonly Port[]): [Port, Port][] {
  const found: Port[][] = [];
  for (const next of ports) {
    const row = found.at(-1);
    const last = row?.at(-1);
    if (last?.protocol === next.protocol && last.port + 1 === next.port) row?.push(next);
    else found.push([next]);
  }
  return found.flatMap((row): [Port, Port][] => {
    const [start, end] = [row[0], row.at(-1)];
    return row.length < 3 || start === undefined || end === undefined ? [] : [[start, end]];
  });
}

function parsePort(exposed: string): Port {
  const [port, protocol = "tcp"] = exposed.split("/");
  return { port: Number(port), protocol };
}

function tcpFirst(a: Port, b: Port): number {
  if (a.protocol === b.protocol) return a.port - b.port;
  if (a.protocol === "tcp" || b.protocol === "tcp") return a.protocol === "tcp" ? -1 : 1;
  return a.protocol < b.protocol ? -1 : 1;
}
