import type { DockerPortBinding } from "../../wire/index.ts";
import { UsageError } from "../failure.ts";

/** `-p` and `--expose` as docker's users write them. */

/** Not imported: every run would load it, and few publish ports. */
const net = () => process.getBuiltinModule("node:net");

const PROTOCOLS: readonly string[] = ["tcp", "udp", "sctp"];

interface Range {
  readonly first: number;
  readonly last: number;
}

/** What `-p` and `--expose` come to in a create request. */
export interface PortFlags {
  readonly ExposedPorts?: Readonly<Record<string, object>>;
  readonly PortBindings?: Readonly<Record<string, readonly DockerPortBinding[]>>;
}

/**
 * Reads the words. `address` is for those without one: asked for only then, as it may be in a file. Throws UsageError in
 * Docker's words.
 */
export function portFlags(
  flags: { readonly publish: readonly string[]; readonly expose: readonly string[] },
  address: () => string,
): PortFlags {
  const exposed: Record<string, object> = {};
  const bindings: Record<string, DockerPortBinding[]> = {};
  for (const word of flags.publish)
    for (const { port, binding } of parsePublish(word)) {
      exposed[port] = {};
      const known = bindings[port] ?? [];
      bindings[port] = known;
      known.push(binding.HostIp === "" ? { ...binding, HostIp: address() } : binding);
    }
  for (const word of flags.expose) for (const port of parseExpose(word)) exposed[port] = {};
  return {
    ...(Object.keys(exposed).length === 0 ? {} : { ExposedPorts: exposed }),
    ...(Object.keys(bindings).length === 0 ? {} : { PortBindings: bindings }),
  };
}

/** `80`, `8080:80`, `127.0.0.1:8080:80/udp`, `[::1]::80`, `8000-8010:80`, `8000-8002:80-82`, `published=8080,target=80`. */
export function parsePublish(word: string): { readonly port: string; readonly binding: DockerPortBinding }[] {
  const short = word.includes("=") ? shortForm(word) : word;
  const [, bracketed, rest = ""] = /^(?:\[([^\]]*)\]:)?(.*)$/s.exec(short) ?? [];
  const [, ports = "", protocol = "tcp"] = /^(.*?)(?:\/(\w+))?$/s.exec(rest) ?? [];
  const parts = ports.split(":");
  const inside = parts.at(-1) ?? "";
  const outside = parts.length > 1 ? (parts.at(-2) ?? "") : "";
  const address = bracketed ?? parts.slice(0, -2).join(":");
  const wrong = (why: string) => new UsageError(`invalid publish opts format (${why}): ${word}`);
  if (bracketed !== undefined && (parts.length !== 2 || !net().isIPv6(bracketed)))
    throw wrong("should be [address]:host:container");
  if (address !== "" && net().isIP(address) === 0) throw new UsageError(`invalid IP address: ${address}`);
  if (inside === "") throw new UsageError(`no port specified: ${word}<empty>`);
  const lower = protocol.toLowerCase();
  if (!PROTOCOLS.includes(lower)) throw new UsageError(`invalid proto: ${protocol}`);
  const container = range(inside, `invalid containerPort: ${inside}`);
  const host = outside === "" || outside === "0" ? undefined : range(outside, `invalid hostPort: ${outside}`);
  const count = container.last - container.first;
  // One port inside may have its pick of several outside.
  if (host !== undefined && count > 0 && host.last - host.first !== count)
    throw new UsageError(`invalid ranges specified for container and host Ports: ${inside} and ${outside}`);
  return Array.from({ length: count + 1 }, (_, at) => ({
    port: `${container.first + at}/${lower}`,
    binding: { HostIp: address, HostPort: hostPort(host, count, at) },
  }));
}

function hostPort(host: Range | undefined, count: number, at: number): string {
  if (host === undefined) return "";
  if (count > 0 || host.first === host.last) return String(host.first + at);
  return `${host.first}-${host.last}`;
}

/** The long form, as services have it. */
function shortForm(word: string): string {
  const fields = new Map(
    word.split(",").map((field) => {
      const [key = "", value = ""] = field.split("=", 2);
      return [key.trim().toLowerCase(), value.trim()] as const;
    }),
  );
  for (const key of fields.keys())
    if (!["target", "published", "protocol", "mode"].includes(key))
      throw new UsageError(`invalid field key ${key} in ${word}`);
  return `${fields.get("published") ?? ""}:${fields.get("target") ?? ""}/${fields.get("protocol") ?? "tcp"}`;
}

function parseExpose(word: string): string[] {
  const [, ports = "", protocol = "tcp"] = /^([^/]*)(?:\/(\w+))?$/.exec(word) ?? [];
  if (word.includes(":")) throw new UsageError(`invalid port format for --expose: ${word}`);
  const wrong = `invalid range format for --expose: ${word}`;
  if (!PROTOCOLS.includes(protocol.toLowerCase()))
    throw new UsageError(`${wrong}, error: invalid proto: ${protocol}`);
  const { first, last } = range(ports, wrong);
  return Array.from({ length: last - first + 1 }, (_, at) => `${first + at}/${protocol.toLowerCase()}`);
}

function range(text: string, wrong: string): Range {
  const [, start, end = start] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  const found = { first: Number(start), last: Number(end) };
  if (start === undefined || found.first < 1 || found.last > 65_535 || found.last < found.first)
    throw new UsageError(wrong);
  return found;
}
