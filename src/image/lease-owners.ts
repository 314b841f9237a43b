import type { Lease, Leases } from "../store/index.ts";
import { LEASE_TERM_MS } from "./context.ts";

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
}

export function openLeaseOwners(leases: Leases, clock: () => number): LeaseOwners {
  const active = new Set<string>();
  return {
    claim(name) {
      let owner = name;
      for (let number = 2; active.has(owner); number++) owner = `${name}#${number}`;
      active.add(owner);
      const lease = leases.hold(owner, clock() + LEASE_TERM_MS);
      return {
        lease,
        end() {
          active.delete(owner);
          leases.end(owner);
        },
        leave() {
          active.delete(owner);
        },
      };
    },
  };
}
