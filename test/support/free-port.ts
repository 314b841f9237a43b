import { once } from "node:events";
import { createServer } from "node:net";

/** Below those that the kernel gives to whoever asks for any port (`net.ipv4.ip_local_port_range`). */
const [FROM, TO] = [10_000, 32_000];

/**
 * A port of loopback that was free a moment ago, for servers that take no port 0. Not one of the kernel's choice: the
 * next connection of anybody on this host could have it before the server does.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FROM + Math.floor(Math.random() * (TO - FROM));
    const server = createServer().listen(port, "127.0.0.1");
    const isFree = await Promise.race([
      once(server, "listening").then(() => true),
      once(server, "error").then(() => false),
    ]).catch(() => false);
    if (!isFree) continue;
    server.close();
    await once(server, "close");
    return port;
  }
}
