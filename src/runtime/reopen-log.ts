import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { codeOf } from "../error.ts";

/** conmon's REOPEN_LOGS_EVENT on its control fifo; the numbers of a resize are not looked at. */
const REOPEN = "2 0 0\n";

/** Tells a container's conmon to close its log and open a new file at the same path. Nothing when it has gone. */
export async function reopenLog(bundle: string): Promise<void> {
  let control: Awaited<ReturnType<typeof open>>;
  try {
    control = await open(join(bundle, "ctl"), constants.O_WRONLY | constants.O_NONBLOCK);
  } catch (error) {
    const code = codeOf(error);
    if (code === "ENOENT" || code === "ENXIO") return;
    throw error;
  }
  try {
    await control.write(REOPEN);
  } finally {
    await control.close();
  }
}
