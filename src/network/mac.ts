import { randomBytes } from "node:crypto";
import { PlyError } from "../error.ts";
import type { Address } from "./address.ts";
import { bytesOf } from "./address.ts";

/** Docker's scheme: `02:42` and the IPv4 address, so that an address that moves on takes its MAC along. */
export function macOf(ipv4: Address | undefined): Buffer {
  if (ipv4 !== undefined) return Buffer.concat([Buffer.from([0x02, 0x42]), bytesOf(ipv4)]);
  return randomMac();
}

/** Locally administered, unicast. */
export function randomMac(): Buffer {
  const mac = randomBytes(6);
  mac[0] = ((mac[0] ?? 0) & 0xfc) | 0x02;
  return mac;
}

/** `aa:bb:cc:dd:ee:ff`, also with dashes. Throws "invalid" in Docker's words. */
export function parseMac(text: string): Buffer {
  if (!/^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i.test(text))
    throw new PlyError("invalid", `invalid MAC address: ${text}`);
  return Buffer.from(text.replace(/[:-]/g, ""), "hex");
}

export const formatMac = (mac: Buffer): string => mac.toString("hex").replace(/..(?=.)/g, "$&:");
