import type { DockerPort } from "../../wire/index.ts";

/** `127.0.0.1:8080->80/tcp, 443/tcp`; ports that follow each other are one: `0.0.0.0:8000-8002->80-82/tcp`. */
export function formatPorts(ports: readonly DockerPort[] | null): string {
  const runs: { readonly first: DockerPort; last: DockerPort }[] = [];
  const sorted = [...(ports ?? [])].sort(
    (one, other) =>
      compare(one.IP ?? "~", other.IP ?? "~") ||
      compare(one.Type, other.Type) ||
      one.PrivatePort - other.PrivatePort ||
      (one.PublicPort ?? 0) - (other.PublicPort ?? 0),
  );
  for (const port of sorted) {
    const run = runs.at(-1);
    if (run !== undefined && follows(port, run.last)) run.last = port;
    else runs.push({ first: port, last: port });
  }
  return runs.map(({ first, last }) => formatRun(first, last)).join(", ");
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

function follows(port: DockerPort, before: DockerPort): boolean {
  const step = before.PublicPort === undefined ? undefined : before.PublicPort + 1;
  return (
    port.IP === before.IP &&
    port.Type === before.Type &&
    port.PrivatePort === before.PrivatePort + 1 &&
    port.PublicPort === step
  );
}

function formatRun(first: DockerPort, last: DockerPort): string {
  const range = (start: number, end: number) => (start === end ? `${start}` : `${start}-${end}`);
  const inside = `${range(first.PrivatePort, last.PrivatePort)}/${first.Type}`;
  if (first.PublicPort === undefined || last.PublicPort === undefined) return inside;
  const { IP = "" } = first;
  const address = IP.includes(":") ? `[${IP}]:` : IP === "" ? "" : `${IP}:`;
  return `${address}${range(first.PublicPort, last.PublicPort)}->${inside}`;
}
