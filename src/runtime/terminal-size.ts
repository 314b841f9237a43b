import { closeSync, constants, openSync, writeSync } from "node:fs";
import { PlyError } from "../error.ts";
import { unreadBytes } from "../linux/index.ts";

/** A conmon that has not read the size before in all that time never will. */
const READ_TIMEOUT_MS = 1000;
const LOOK_AGAIN_MS = 1;
/** A terminal's size is 16 bits each way. */
const MAX_CELLS = 65_535;

/**
 * Tells the conmon that reads `control` its terminal's new size. conmon 2.1 takes two lines that it reads at once for
 * the first one twice: each waits until the one before was read, so that the last one counts. Throws "conflict".
 */
export async function resizeTerminal(
  control: string,
  { rows, columns }: { readonly rows: number; readonly columns: number },
): Promise<void> {
  let fd: number;
  try {
    fd = openSync(control, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch (cause) {
    throw new PlyError("conflict", "there is no terminal to resize", { cause });
  }
  try {
    for (const deadline = Date.now() + READ_TIMEOUT_MS; unreadBytes(fd) > 0 && Date.now() < deadline; )
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    writeSync(fd, `1 ${clamp(rows)} ${clamp(columns)}\n`);
  } catch (cause) {
    throw new PlyError("conflict", "the terminal has gone", { cause });
  } finally {
    closeSync(fd);
  }
}

function clamp(cells: number): number {
  return Math.min(MAX_CELLS, Math.max(0, Math.trunc(cells) || 0));
}
