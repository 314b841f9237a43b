import type { Lease, Leases } from "../store/index.ts";

/** A day: what an interrupted pull, push or load keeps its content for. */
const LEASE_TERM_MS = 24 * 60 * 60 * 1000;

/** A lease in use by one running transfer. */
export interface ClaimedLease {
  readonly lease: Lease;
  /** Ends the lease: nothing it alone kept is needed any more. */
  end(): void;
  /** Stops using the owner's name but leaves the lease to its term, for the next try to go on from. */
  leave(): void;
}

/**
 * Hands out lease owners so that two transfers of one name never share a lease: the first to finish would
 * end what the other still needs. The plain name goes to whoever comes first, so that a new try finds
 * what an interrupted one left.
 */
export interface LeaseOwners {
  claim(name: string): ClaimedLease;
  /** Ends what interrupted transfers of this name left: somebody has finished what they began. */
  settle(name: string): void;
  /** Ends what all interrupted transfers left. */
  settleAll(): void;
}

/** Transfers whose next try goes on from what an interrupted one left; all others begin anew under another name. */
const RESUMABLE = ["pull:"];
const TRANSFERS = [...RESUMABLE, "push:", "save:", "load:", "import:", "commit:"];

export function openLeaseOwners(leases: Leases, clock: () => number): LeaseOwners {
  const active = new Set<string>();
  /** Owners that were left to their term, by name. */
  const left = new Map<string, Set<string>>();
  const settle = (name: string) => {
    for (const owner of [name, ...(left.get(name) ?? [])]) if (!active.has(owner)) leases.end(owner);
    left.delete(name);
  };
  const endIdle = (prefixes: readonly string[]) => {
    for (const owner of leases.owners())
      if (!active.has(owner) && prefixes.some((prefix) => owner.startsWith(prefix))) leases.end(owner);
  };
  // What transfers of the last engine left, which may have been killed.
  endIdle(TRANSFERS.filter((prefix) => !RESUMABLE.includes(prefix)));
  return {
    settle,
    settleAll() {
      endIdle(TRANSFERS);
      left.clear();
    },
    claim(name) {
      let owner = name;
      for (let number = 2; active.has(owner); number++) owner = `${name}#${number}`;
      active.add(owner);
      left.get(name)?.delete(owner);
      const lease = leases.hold(owner, clock() + LEASE_TERM_MS);
      return {
        lease,
        end() {
          active.delete(owner);
          leases.end(owner);
          settle(name);
        },
        leave() {
          active.delete(owner);
          left.set(name, (left.get(name) ?? new Set()).add(owner));
        },
      };
    },
  };
}
