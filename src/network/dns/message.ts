import type { Membership } from "./names.ts";

/** A container as the thread of the name server knows it. */
export interface Served {
  readonly container: string;
  /** Its network namespace, `/proc/…`. */
  readonly namespace: string;
  readonly memberships: readonly Membership[];
  /** Servers of its own, asked from its own network; none: the host's, asked from the host's. */
  readonly servers: readonly string[];
}

export type Command =
  | { readonly type: "serve"; readonly served: Served; readonly ticket: number }
  | { readonly type: "stop"; readonly container: string };

/** What the thread says of a `serve`: it listens, or why it does not. */
export interface Reply {
  readonly ticket: number;
  readonly problem?: string;
}
