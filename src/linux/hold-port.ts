import { closeSync } from "node:fs";
import { systemCallError, trySystemCall } from "./libc.ts";

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const IPPROTO = { udp: 17, sctp: 132 } as const;
const SOL_IPV6 = 41;
const IPV6_V6ONLY = 26;

/**
 * Binds a socket that nothing reads, so that nobody else gets the port. `address` is 4 or 16 bytes. Throws with
 * details.code EADDRINUSE, EADDRNOTAVAIL, EPROTONOSUPPORT, …
 */
export function holdPort(protocol: "udp" | "sctp", address: Uint8Array, port: number): Disposable {
  const isV4 = address.length === 4;
  const kind = (protocol === "udp" ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC;
  const fd = trySystemCall("socket", isV4 ? AF_INET : AF_INET6, kind, IPPROTO[protocol]);
  if (fd < 0) throw systemCallError("socket", -fd);
  if (!isV4) trySystemCall("setsockopt", fd, SOL_IPV6, IPV6_V6ONLY, Buffer.from([1, 0, 0, 0]), 4);
  const name = Buffer.alloc(isV4 ? 16 : 28);
  name.writeUInt16LE(isV4 ? AF_INET : AF_INET6, 0);
  name.writeUInt16BE(port, 2);
  name.set(address, isV4 ? 4 : 8);
  const result = trySystemCall("bind", fd, name, name.length);
  if (result < 0) {
    closeSync(fd);
    throw systemCallError("bind", -result);
  }
  return { [Symbol.dispose]: () => closeSync(fd) };
}
