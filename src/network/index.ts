export type * from "./attachment.ts";
export { type NameServerParts, type OpenNameServer, openNameServer } from "./dns/open-name-server.ts";
export { DNS_ADDRESS } from "./dns/redirect.ts";
export { parseResolvConf, type ResolvConf } from "./dns/resolv-conf.ts";
export type * from "./name-server.ts";
export type * from "./networks.ts";
export { type NetworksParts, type OpenNetworks, openNetworks } from "./open-networks.ts";
export type * from "./port.ts";
export { probeNetworks } from "./probe.ts";
