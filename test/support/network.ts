import { randomBytes } from "node:crypto";
import { must, type Ran, run } from "./process.ts";

/** A host of its own, and a neighbour outside: two network namespaces with a cable between them. */
export interface TestNetwork extends AsyncDisposable {
  /** `/run/netns/…` of the host, for an engine. */
  readonly hostPath: string;
  readonly outsidePath: string;
  readonly host: Place;
  readonly outside: Place;
}

export interface Place {
  readonly ipv4: string;
  readonly ipv6: string;
  /** Runs a program there; throws unless it exits with 0. Returns what it printed. */
  must(command: string, ...args: string[]): Promise<string>;
  run(command: string, ...args: string[]): Promise<Ran>;
  /** The answer of a web server, or why there is none. */
  get(address: string): Promise<string>;
}

const CABLE = "up0";
/** What nobody lets through is given up after a second; who has taken the call may be on a busy machine. */
export const PATIENCE = ["--connect-timeout", "1", "--max-time", "10"];

export async function openTestNetwork(): Promise<TestNetwork> {
  const tag = randomBytes(3).toString("hex");
  const names = { host: `plyh-${tag}`, outside: `plyo-${tag}` };
  const place = (name: string, ipv4: string, ipv6: string): Place => {
    const within = (command: string, args: string[]): [string, string[]] => [
      "nsenter",
      [`--net=/run/netns/${name}`, "--", command, ...args],
    ];
    return {
      ipv4,
      ipv6,
      must: async (command, ...args) =>
        (await must(...within(command, args), { timeoutMs: 20_000 })).stdout.trim(),
      run: (command, ...args) => run(...within(command, args), { timeoutMs: 20_000 }),
      async get(address) {
        const { code, stdout, stderr } = await run(
          ...within("curl", ["-sS", "-g", ...PATIENCE, `http://${address}/`]),
        );
        return code === 0 ? stdout.trim() : `error ${code}: ${stderr.trim()}`;
      },
    };
  };
  const host = place(names.host, "203.0.113.1", "2001:db8::1");
  const outside = place(names.outside, "203.0.113.2", "2001:db8::2");
  for (const name of Object.values(names)) await must("ip", ["netns", "add", name]);
  await must("ip", [
    "link",
    "add",
    CABLE,
    "netns",
    names.host,
    "type",
    "veth",
    "peer",
    "name",
    CABLE,
    "netns",
    names.outside,
  ]);
  for (const { ipv4, ipv6, must } of [host, outside]) {
    await must("ip", "link", "set", "lo", "up");
    await must("ip", "address", "add", `${ipv4}/24`, "dev", CABLE);
    await must("ip", "address", "add", `${ipv6}/64`, "dev", CABLE, "nodad");
    await must("ip", "link", "set", CABLE, "up");
  }
  return {
    hostPath: `/run/netns/${names.host}`,
    outsidePath: `/run/netns/${names.outside}`,
    host,
    outside,
    async [Symbol.asyncDispose]() {
      for (const name of Object.values(names)) await run("ip", ["netns", "delete", name]);
    },
  };
}
