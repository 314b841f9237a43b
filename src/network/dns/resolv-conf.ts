import { readFileSync, statSync } from "node:fs";
import { isIP } from "node:net";

/** What a resolv.conf says (resolv.conf(5)), in the order of its lines. */
export interface ResolvConf {
  readonly servers: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
}

/** resolv.conf(5): of several `search` lines the last counts, unknown words are passed over. */
export function parseResolvConf(text: string): ResolvConf {
  const servers: string[] = [];
  let search: string[] = [];
  const options: string[] = [];
  for (const line of text.split("\n")) {
    const [word, ...values] = line
      .replace(/[#;].*$/, "")
      .trim()
      .split(/\s+/);
    if (word === "nameserver" && values[0] !== undefined && isIP(withoutZone(values[0])) !== 0)
      servers.push(values[0]);
    else if (word === "search") search = values;
    else if (word === "domain") search = values.slice(0, 1);
    else if (word === "options") options.push(...values);
  }
  return { servers, search, options };
}

/** `fe80::1%eth0` names a device as well. */
function withoutZone(address: string): string {
  return address.replace(/%.*$/, "");
}

/** The host's own servers as of now: a laptop that changes its network changes them for all its containers. */
export function openHostServers(path = "/etc/resolv.conf"): () => readonly string[] {
  let known: { readonly stamp: string; readonly servers: readonly string[] } | undefined;
  return () => {
    const stat = statSync(path, { throwIfNoEntry: false });
    const stamp = stat === undefined ? "" : `${stat.ino} ${stat.mtimeMs} ${stat.size}`;
    if (known?.stamp !== stamp)
      known = {
        stamp,
        servers: stat === undefined ? [] : parseResolvConf(readFileSync(path, "utf8")).servers,
      };
    return known.servers;
  };
}
