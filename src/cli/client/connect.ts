import type { EngineAddress } from "./address.ts";
import { type Connection, connectSocket } from "./connection.ts";

/** Connects, by whatever leads there. Rejects with the system's error, or a PlyError that says it better. */
export async function connect(address: EngineAddress): Promise<Connection> {
  if (address.kind !== "ssh") return connectSocket(address);
  return (await import("./ssh.ts")).connectBySsh(address);
}
