import { closeSync, openSync } from "node:fs";
import { systemCall, systemCallError, trySystemCall } from "./libc.ts";

const CLONE_NEWNET = 0x40000000;
/** Of the calling thread: `/proc/self` would be the first thread's. */
const OWN = "/proc/thread-self/ns/net";

/**
 * A network namespace held by a file descriptor. It exists as long as somebody holds it or a process is in it:
 * nothing is mounted, so that nothing can be left behind.
 */
export interface NetworkNamespace extends Disposable {
  readonly fd: number;
  /** For other processes, while this one holds it. */
  readonly path: string;
  /** Runs `work` within it. It must not await: the thread is elsewhere meanwhile. */
  run<T>(work: () => T): T;
}

/** Makes a new network namespace, with nothing but a loopback device that is down. */
export function createNetworkNamespace(): NetworkNamespace {
  const home = openSync(OWN, "r");
  try {
    systemCall("unshare", "network namespace", CLONE_NEWNET);
    try {
      return heldBy(openSync(OWN, "r"));
    } finally {
      comeHome(home);
    }
  } finally {
    closeSync(home);
  }
}

/** Opens one of a running process (`/proc/PID/ns/net`) or one that `ip netns` named. Throws not-found. */
export function openNetworkNamespace(path: string): NetworkNamespace {
  return heldBy(openSync(path, "r"));
}

function heldBy(fd: number): NetworkNamespace {
  return {
    fd,
    path: `/proc/${process.pid}/fd/${fd}`,
    run(work) {
      const home = openSync(OWN, "r");
      try {
        systemCall("setns", "network namespace", fd, CLONE_NEWNET);
        try {
          return work();
        } finally {
          comeHome(home);
        }
      } finally {
        closeSync(home);
      }
    },
    [Symbol.dispose]: () => closeSync(fd),
  };
}

/** A thread that cannot come back would do everything else in the wrong place. */
function comeHome(home: number): void {
  const result = trySystemCall("setns", home, CLONE_NEWNET);
  if (result >= 0) return;
  const error = systemCallError("setns", -result, "the engine's own network namespace");
  process.stderr.write(`ply: ${error.message}: giving up\n`);
  process.abort();
}
