import { isIPv6 } from "node:net";

/** The name under which an address is looked up: `4.3.2.1.in-addr.arpa` (RFC 1035, 3.5), 32 digits under `ip6.arpa` (RFC 3596, 2.5). */
export function reverseName(address: string): string {
  if (!isIPv6(address)) return `${address.split(".").reverse().join(".")}.in-addr.arpa`;
  const [head = "", tail] = address.toLowerCase().split("::");
  const groupsOf = (text: string) => (text === "" ? [] : text.split(":"));
  const front = groupsOf(head);
  const back = tail === undefined ? [] : groupsOf(tail);
  const zeros = Array.from({ length: 8 - front.length - back.length }, () => "0");
  const digits = [...front, ...zeros, ...back].map((group) => group.padStart(4, "0")).join("");
  return `${[...digits].reverse().join(".")}.ip6.arpa`;
}
