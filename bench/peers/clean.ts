import { mountsUnder } from "../../test/support/ply.ts";
import { run } from "../../test/support/process.ts";

/** Unmounts what a stopped peer left mounted below its home. */
export async function unmountUnder(home: string): Promise<void> {
  for (const target of mountsUnder(home).reverse()) await run("umount", ["-l", target]);
}
