import { PlyError } from "../error.ts";
import type { ContainerRecord } from "./containers.ts";
import type { Ending, Live } from "./live.ts";
import { isActive } from "./state.ts";

export interface WaitOptions {
  readonly record: ContainerRecord;
  readonly live: Live;
  readonly condition: "not-running" | "next-exit" | "removed";
  readonly signal: AbortSignal | undefined;
}

/** How a container ends, by Docker's three conditions. Throws "cancelled". */
export async function waitFor({ record, live, condition, signal }: WaitOptions): Promise<Ending> {
  if (condition === "not-running" && !isActive(record.status))
    return { exitCode: record.exitCode, ...(record.error === "" ? {} : { error: record.error }) };
  const ending =
    condition === "removed"
      ? live.removed.promise
      : // A container that is removed without ever running again has no next exit.
        Promise.race([live.nextExit.promise, live.removed.promise]);
  if (signal === undefined) return ending;
  let stop: () => void = () => undefined;
  const stopped = new Promise<never>((_, reject) => {
    stop = () => reject(new PlyError("cancelled", "no longer waiting for the container"));
  });
  signal.addEventListener("abort", stop);
  if (signal.aborted) stop();
  try {
    return await Promise.race([ending, stopped]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
