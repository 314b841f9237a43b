import { systemCall } from "./libc.ts";

/** pidfd_open(2): a descriptor of that very process, for the caller to close. Throws "unsupported" (ENOSYS) before Linux 5.3. */
export function openPidfd(pid: number): number {
  return systemCall("pidfd_open", `process ${pid}`, pid, 0);
}
