import type { TestEngine } from "./ply.ts";
import { busyboxMembers, tarball } from "./tarball.ts";

/** Imports a small image that can run commands under the given name. */
export async function importBusybox(engine: TestEngine, name = "bb:1"): Promise<string> {
  const imported = await engine.must(["import", "-c", 'CMD ["sh"]', "-c", "ENV GREETING=hello", "-", name], {
    stdin: tarball(busyboxMembers()),
  });
  return imported.stdout.trim();
}
