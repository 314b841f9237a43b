import { closeSync, openSync } from "node:fs";
import { systemCall, trySystemCall } from "./libc.ts";

const CLONE_NEWNET = 0x40000000;

/**
 * Runs `work` with this thread in another network namespace (`/proc/PID/ns/net`, an open `/proc/self/fd/N`): sockets that
 * it opens stay there. It must not wait: what comes later runs at home again.
 */
export function inNetworkNamespace<T>(path: string, work: () => T): T {
  const home = openSync("/proc/thread-self/ns/net", "r");
  try {
    const there = openSync(path, "r");
    try {
      systemCall("setns", path, there, CLONE_NEWNET);
    } finally {
      closeSync(there);
    }
    try {
      return work();
    } finally {
      // Nothing that this thread did from now on would be where it belongs.
      if (trySystemCall("setns", home, CLONE_NEWNET) < 0) process.abort();
    }
  } finally {
    closeSync(home);
  }
}
