/** `X-Docker-Container-Path-Stat`: base64 of this as JSON. */
export interface DockerPathStat {
  readonly name: string;
  readonly size: number;
  /** Go's `fs.FileMode`: {@link GO_MODE} and permission bits. */
  readonly mode: number;
  /** RFC 3339 with nanoseconds. */
  readonly mtime: string;
  /** Of a link: where it leads in the end, absolute within the container. */
  readonly linkTarget: string;
}

/** Bits of Go's `fs.FileMode` above the permissions. */
export const GO_MODE = {
  directory: 2 ** 31,
  symlink: 2 ** 27,
  device: 2 ** 26,
  fifo: 2 ** 25,
  socket: 2 ** 24,
  setuid: 2 ** 23,
  setgid: 2 ** 22,
  char: 2 ** 21,
  sticky: 2 ** 20,
} as const;

export const PATH_STAT_HEADER = "X-Docker-Container-Path-Stat";

/** True when the mode of a path has this bit. */
export function hasGoMode({ mode }: Pick<DockerPathStat, "mode">, bit: keyof typeof GO_MODE): boolean {
  return Math.floor(mode / GO_MODE[bit]) % 2 === 1;
}

/** The value of the header `X-Docker-Container-Path-Stat`. */
export function encodePathStat(stat: DockerPathStat): string {
  return Buffer.from(JSON.stringify(stat)).toString("base64");
}

/** Undefined when the header is missing or is none. */
export function decodePathStat(header: string | undefined): DockerPathStat | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(header ?? "", "base64").toString("utf8"));
    if (typeof value !== "object" || value === null) return undefined;
    const { name, size, mode, mtime, linkTarget } = value as Record<string, unknown>;
    if (typeof name !== "string" || typeof mode !== "number") return undefined;
    return {
      name,
      mode,
      size: typeof size === "number" ? size : 0,
      mtime: typeof mtime === "string" ? mtime : "",
      linkTarget: typeof linkTarget === "string" ? linkTarget : "",
    };
  } catch {
    return undefined;
  }
}
