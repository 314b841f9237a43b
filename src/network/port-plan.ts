import type { AttachOptions } from "./attachment.ts";
import type { PortRequest, PublishedPort } from "./port.ts";
import type { Publication, Target } from "./publish.ts";

/** `-P`: what is exposed and not published otherwise gets a port of the host's choice. */
export function withPublishedAll({
  ports,
  publishAll = [],
  publishAllAddress: hostAddress,
}: AttachOptions): PortRequest[] {
  const more = publishAll.flatMap((text): PortRequest[] => {
    const [, first = "", last = first, protocol = "tcp"] =
      /^(\d+)(?:-(\d+))?(?:\/(tcp|udp|sctp))?$/.exec(text) ?? [];
    const found: PortRequest[] = [];
    for (let port = Number(first); first !== "" && port <= Number(last); port++)
      found.push({
        containerPort: port,
        protocol: protocol as PortRequest["protocol"],
        ...(hostAddress === undefined ? {} : { hostAddress }),
      });
    return found;
  });
  const isGiven = ({ containerPort, protocol }: PortRequest) =>
    ports.some((each) => each.containerPort === containerPort && each.protocol === protocol);
  return [...ports, ...more.filter((each) => !isGiven(each))];
}

/** The requests with the host ports that they got the last time. */
export function pinned(requests: readonly PortRequest[], last: readonly PublishedPort[] = []): PortRequest[] {
  const left = [...last];
  return requests.map((request) => {
    const at = left.findIndex(
      ({ containerPort, protocol, hostPort }) =>
        containerPort === request.containerPort &&
        protocol === request.protocol &&
        (request.hostPorts === undefined ||
          (hostPort >= request.hostPorts[0] && hostPort <= request.hostPorts[1])),
    );
    const found = left[at];
    if (found === undefined) return request;
    // Its twin of the other family goes with it.
    for (let each = left.length - 1; each >= 0; each--)
      if (left[each]?.hostPort === found.hostPort && left[each]?.protocol === found.protocol)
        left.splice(each, 1);
    return { ...request, hostPorts: [found.hostPort, found.hostPort] };
  });
}

/** True when open ports lead to an address that is not the way to the container any more, or not yet. */
export function leadsElsewhere(publication: Publication | undefined, target: Target | undefined): boolean {
  if (publication === undefined) return target !== undefined;
  const addresses = [target?.ipv4, target?.ipv6];
  return publication.rules.some(({ containerAddress }) => !addresses.includes(containerAddress));
}
