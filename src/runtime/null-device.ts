import { chownSync, statSync } from "node:fs";

const PATH = "/dev/null";

/**
 * crun before 1.24 gives the standard streams of a process to its user, and with them this host's own /dev/null. The answer
 * gives it back to whom it belonged when the engine started.
 */
export function keepNullDevice(): () => void {
  const { uid, gid } = statSync(PATH);
  return () => {
    const now = statSync(PATH);
    if (now.uid !== uid || now.gid !== gid) chownSync(PATH, uid, gid);
  };
}
