import { programHeads, readInterpreters, runsNatively } from "../linux/index.ts";
import type { Ability } from "./ability.ts";

/** Whose programs this machine runs: its own, and through emulators those of others. `scratch`: for a mount that lasts a moment. */
export function probePlatforms(scratch: string): Ability[] {
  const interpreters = readInterpreters(scratch);
  const own: string[] = [];
  const emulated: string[] = [];
  for (const [architecture, head] of programHeads()) {
    const interpreter = interpreters.find(({ takes }) => takes(head));
    if (runsNatively(head) === true) own.push(`linux/${architecture}`);
    else if (interpreter?.isOpened === true) emulated.push(`linux/${architecture}`);
  }
  const found = own.join(", ") + (emulated.length === 0 ? "" : `; emulated: ${emulated.join(", ")}`);
  return [{ area: "kernel", name: "platforms", state: "works", found }];
}
