import type { Ran } from "../../test/support/process.ts";

/** An engine under measurement, with a store of its own, started for this run and stopped after it. */
export interface Peer extends AsyncDisposable {
  readonly name: string;
  /** Program and version, as the program says it. */
  readonly version: string;
  pull(reference: string): Promise<Ran>;
  /** Forgets the image and everything that came with it: the next pull starts cold. */
  forget(reference: string): Promise<void>;
  /** A short-lived container on the host's network, as a user would run it; undefined where the peer has no such verb. */
  readonly runCommand?: (reference: string, command: readonly string[]) => readonly [string, ...string[]];
  /** The program with its own flags, to which Docker's verbs are added: undefined where it has them not. */
  readonly verbs?: readonly [string, ...string[]];
  /** The program that builds, where it is another one. */
  readonly builder?: readonly [string, ...string[]];
  /** What `run` needs on this host beyond the usual flags. */
  readonly runFlags?: readonly string[];
  /** What `push` needs for a registry without TLS. */
  readonly pushFlags?: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** The process whose memory is the engine's; undefined where there is no engine. */
  readonly enginePid?: number;
  /** Lists the images. */
  readonly listCommand?: readonly [string, ...string[]];
}

/** Starts a peer in a directory of its own, or says why it cannot take part. */
export type StartPeer = (home: string) => Promise<Peer | { readonly absent: string }>;

/** `docker 28.5`: the program and as much of its version as people speak of. */
export function nameOf(program: string, version: string): string {
  const [major, minor] = version.replace(/^[^0-9]*/, "").split(".");
  return `${program} ${major}.${minor}`;
}
