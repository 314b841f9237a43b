import { readFileSync } from "node:fs";
import { connect as connectTo, createServer, type Server, type Socket } from "node:net";
import { codeOf, messageOf, PlyError } from "../error.ts";
import { failedWith, holdPort } from "../linux/index.ts";
import { bytesOf, formatAddress, parseAddress } from "./address.ts";
import type { PortRequest, PublishedPort } from "./port.ts";
import type { PortRule } from "./rules.ts";

/** Where a container is reached. */
export interface Target {
  readonly ipv4: string | null;
  readonly ipv6: string | null;
}

/** The published ports of one container: bound for as long as this is open. */
export interface Publication extends Disposable {
  readonly ports: readonly PublishedPort[];
  /** For the firewall: what the kernel passes on by itself. */
  readonly rules: readonly PortRule[];
}

export interface Publisher {
  /** All of them or none. Throws "internal" in Docker's words (no endpoint's name in front) for a taken port. */
  open(options: {
    readonly requests: readonly PortRequest[];
    readonly target: Target;
    /** In place of all addresses where a request names none. */
    readonly defaultAddress?: string;
  }): Promise<Publication>;
}

interface Held extends Disposable {
  readonly port: PublishedPort;
}

const ANY4 = "0.0.0.0";
const ANY6 = "::";
const LOCAL_PORT_RANGE = "/proc/sys/net/ipv4/ip_local_port_range";

/**
 * Holds the host's ports that containers publish. A TCP port is listened on: connections that the kernel does not pass
 * on itself (from ::1, from IPv6 to a container without it, while somebody has flushed the rules) are passed on here.
 */
export function createPublisher(): Publisher {
  const held = new Set<PublishedPort>();
  let next = 0;

  function* candidates({ hostPorts }: PortRequest): Generator<number> {
    if (hostPorts !== undefined) {
      for (let port = hostPorts[0]; port <= hostPorts[1]; port++) yield port;
      return;
    }
    const [first = 32768, last = 60999] = readFileSync(LOCAL_PORT_RANGE, "utf8")
      .trim()
      .split(/\s+/)
      .map(Number);
    const count = last - first + 1;
    // On from the last one: a port that was just freed is not given to somebody else at once.
    for (let step = 0; step < count; step++) {
      const port = first + ((next + step) % count);
      next = (port - first + 1) % count;
      yield port;
    }
  }

  function isAllocated(wanted: PublishedPort): boolean {
    return [...held].some(
      ({ protocol, hostAddress, hostPort }) =>
        protocol === wanted.protocol &&
        hostPort === wanted.hostPort &&
        (hostAddress === wanted.hostAddress ||
          (isV6(hostAddress) === isV6(wanted.hostAddress) &&
            (isAny(hostAddress) || isAny(wanted.hostAddress)))),
    );
  }

  async function hold(port: PublishedPort, target: Target): Promise<Held> {
    const { hostAddress, hostPort, protocol } = port;
    if (isAllocated(port))
      throw new PlyError(
        "internal",
        `Bind for ${join(hostAddress, hostPort)} failed: port is already allocated`,
        { details: TAKEN },
      );
    held.add(port);
    try {
      const socket =
        protocol === "tcp" ? await listenFor(port, target) : holdOther(protocol, hostAddress, hostPort);
      return {
        port,
        [Symbol.dispose]() {
          held.delete(port);
          socket[Symbol.dispose]();
        },
      };
    } catch (error) {
      held.delete(port);
      throw bindFailure(port, target, error);
    }
  }

  /** The same host port on each of the addresses. */
  async function holdAll(
    request: PortRequest,
    addresses: readonly string[],
    target: Target,
  ): Promise<Held[]> {
    let failure: unknown;
    const { containerPort, protocol } = request;
    for (const hostPort of candidates(request)) {
      const got: Held[] = [];
      try {
        for (const hostAddress of addresses) {
          try {
            got.push(await hold({ containerPort, protocol, hostAddress, hostPort }, target));
          } catch (error) {
            // A host without IPv6 has all addresses nevertheless.
            if (hostAddress === ANY6 && addresses.length > 1 && hasNoFamily(error)) continue;
            throw error;
          }
        }
        return got;
      } catch (error) {
        for (const each of got) each[Symbol.dispose]();
        if (!isTaken(error)) throw error;
        failure ??= error;
      }
    }
    if (request.hostPorts === undefined || request.hostPorts[0] < request.hostPorts[1])
      throw new PlyError("internal", "failed to bind host port: all ports are allocated", { cause: failure });
    throw failure;
  }

  return {
    async open({ requests, target, defaultAddress }) {
      const all: Held[] = [];
      const close = () => {
        for (const each of all.splice(0)) each[Symbol.dispose]();
      };
      try {
        for (const request of requests)
          all.push(...(await holdAll(request, addressesFor(request, target, defaultAddress), target)));
      } catch (error) {
        close();
        throw error;
      }
      const ports = all.map(({ port }) => port);
      return { ports, rules: ports.flatMap((port) => ruleFor(port, target)), [Symbol.dispose]: close };
    },
  };
}

function addressesFor(
  { hostAddress = "", protocol }: PortRequest,
  { ipv4, ipv6 }: Target,
  defaultAddress: string | undefined,
): string[] {
  const wanted = hostAddress === "" ? (defaultAddress ?? "") : hostAddress;
  if (wanted !== "") return [formatAddress(parseAddress(wanted))];
  // Datagrams are passed on by the kernel alone, and it does not change their family.
  if (protocol === "tcp") return [ANY4, ANY6];
  return [...(ipv4 === null ? [] : [ANY4]), ...(ipv6 === null ? [] : [ANY6])];
}

/** What the kernel passes on of a port by itself: what need not change its family. */
export function ruleFor(port: PublishedPort, { ipv4, ipv6 }: Target): PortRule[] {
  const containerAddress = isV6(port.hostAddress) ? ipv6 : ipv4;
  return containerAddress === null ? [] : [{ ...port, containerAddress }];
}

/** A kernel without SCTP sockets has nobody who could take the port either, and passes packets on all the same. */
function holdOther(protocol: "udp" | "sctp", hostAddress: string, hostPort: number): Disposable {
  try {
    return holdPort(protocol, bytesOf(parseAddress(hostAddress)), hostPort);
  } catch (error) {
    if (protocol === "sctp" && failedWith(error, "EPROTONOSUPPORT"))
      return { [Symbol.dispose]: () => undefined };
    throw error;
  }
}

/** Listens, and passes on what comes to the container. */
function listenFor(
  { hostAddress, hostPort, containerPort }: PublishedPort,
  { ipv4, ipv6 }: Target,
): Promise<Disposable> {
  const host = (isV6(hostAddress) ? (ipv6 ?? ipv4) : (ipv4 ?? ipv6)) ?? "";
  const sockets = new Set<Socket>();
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
  };
  const server: Server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const container = connectTo({ host, port: containerPort, allowHalfOpen: true, noDelay: true });
    keep(client);
    keep(container);
    client.on("close", () => container.destroy());
    container.on("close", () => client.destroy());
    client.pipe(container);
    container.pipe(client);
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: hostAddress, port: hostPort, exclusive: true, ipv6Only: isV6(hostAddress) }, () =>
      resolve({
        [Symbol.dispose]() {
          server.close();
          for (const socket of sockets) socket.destroy();
        },
      }),
    );
  });
}

const TAKEN = { portTaken: true };
const isTaken = (error: unknown): boolean => error instanceof PlyError && error.details["portTaken"] === true;
const hasNoFamily = (error: unknown): boolean =>
  error instanceof PlyError && error.details["noFamily"] === true;

function bindFailure(port: PublishedPort, target: Target, error: unknown): PlyError {
  const { hostAddress, hostPort, containerPort, protocol } = port;
  const has = (code: string) => codeOf(error) === code;
  const why = has("EADDRINUSE")
    ? "address already in use"
    : has("EADDRNOTAVAIL")
      ? "cannot assign requested address"
      : has("EACCES")
        ? "permission denied"
        : messageOf(error);
  const container = (isV6(hostAddress) ? target.ipv6 : target.ipv4) ?? target.ipv4 ?? target.ipv6 ?? "";
  return new PlyError(
    "internal",
    `failed to bind host port for ${join(hostAddress, hostPort)}:${join(container, containerPort)}/${protocol}: ${why}`,
    {
      cause: error,
      details: {
        ...(has("EADDRINUSE") ? TAKEN : {}),
        noFamily: has("EAFNOSUPPORT") || has("EADDRNOTAVAIL"),
      },
    },
  );
}

const isV6 = (address: string): boolean => address.includes(":");
const isAny = (address: string): boolean => address === ANY4 || address === ANY6;
const join = (address: string, port: number): string =>
  isV6(address) ? `[${address}]:${port}` : `${address}:${port}`;
