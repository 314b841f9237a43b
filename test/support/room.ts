import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { importBusybox } from "./busybox.ts";
import { startEngine, type TestEngine } from "./ply.ts";

/** An engine that has the image `bb:1`, and a directory for what a test writes. */
export interface TestRoom extends AsyncDisposable {
  readonly engine: TestEngine;
  readonly scratch: string;
}

export async function openRoom(options?: Parameters<typeof startEngine>[0]): Promise<TestRoom> {
  await using made = new AsyncDisposableStack();
  const scratch = mkdtempSync(join(tmpdir(), "ply-room-"));
  made.defer(() => rmSync(scratch, { recursive: true, force: true }));
  const engine = made.use(await startEngine(options));
  await importBusybox(engine);
  const all = made.move();
  return { engine, scratch, [Symbol.asyncDispose]: () => all.disposeAsync() };
}
