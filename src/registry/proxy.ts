import { BlockList, isIP } from "node:net";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The proxy for requests to a URL, as Go's programs read it from the environment: HTTPS_PROXY, HTTP_PROXY, NO_PROXY, each
 * in small letters too; never for this machine itself. Undefined: none.
 */
export function proxyFor(url: URL, env: Environment): string | undefined {
  const wanted = url.protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY";
  const proxy = setting(env, wanted);
  if (proxy === "" || isExempt(url, setting(env, "NO_PROXY"))) return undefined;
  return proxy.includes("://") ? proxy : `http://${proxy}`;
}

function setting(env: Environment, name: string): string {
  return env[name] || env[name.toLowerCase()] || "";
}

/** NO_PROXY: names with what is below them, addresses, networks, each with a port or without; `*` is everything. */
function isExempt(url: URL, list: string): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, "").toLowerCase();
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  if (host === "localhost" || host === "::1" || /^127\./.test(host)) return true;
  return list
    .split(",")
    .map((entry) => entry.trim().toLowerCase())
    .some((entry) => entry !== "" && (entry === "*" || covers(entry, host, port)));
}

function covers(entry: string, host: string, port: string): boolean {
  if (entry.includes("/")) return isWithin(entry, host);
  const [, name = entry, onlyPort] =
    /^(.*?)(?::(\d+))?$/.exec(isIP(entry) === 6 ? `[${entry}]` : entry) ?? [];
  if (onlyPort !== undefined && onlyPort !== port) return false;
  const plain = name.replace(/^\[|\]$/g, "");
  if (isIP(plain) !== 0) return plain === host;
  const domain = plain.replace(/^\*?\./, "");
  // `.example.org` is what is below it, `example.org` itself as well.
  return (plain === domain && host === domain) || host.endsWith(`.${domain}`);
}

function isWithin(network: string, host: string): boolean {
  const [address = "", bits = ""] = network.split("/");
  const family = isIP(host);
  if (family === 0 || isIP(address) !== family || !/^\d{1,3}$/.test(bits)) return false;
  const prefix = Number(bits);
  if (prefix > (family === 4 ? 32 : 128)) return false;
  const type = family === 4 ? "ipv4" : "ipv6";
  const list = new BlockList();
  list.addSubnet(address, prefix, type);
  return list.check(host, type);
}
