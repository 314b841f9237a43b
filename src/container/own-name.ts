import { hostname as hostHostname } from "node:os";
import type { ContainerRecord } from "./containers.ts";
import { joinedName } from "./joined.ts";

/** How a container calls itself. */
export interface OwnName {
  readonly hostname: string;
  readonly domainname: string;
}

/** As the user said; else with the host's network or name the host's, with another container's network that one's, its short id. */
export function ownNameOf(
  { id, process, host }: ContainerRecord,
  find: (name: string) => ContainerRecord,
): OwnName {
  const domainname = process.domainname ?? "";
  if (process.hostname !== "") return { hostname: process.hostname, domainname };
  if (host.networkMode === "host" || host.settings?.utsMode === "host")
    return { hostname: hostHostname(), domainname };
  const lender = joinedName(host.networkMode);
  return {
    hostname: lender === undefined ? id.slice(0, 12) : ownNameOf(find(lender), find).hostname,
    domainname,
  };
}
