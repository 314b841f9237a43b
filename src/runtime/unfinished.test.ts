import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { endUnfinishedLaunch } from "./unfinished.ts";

test("what works on the bundle is ended, and nothing else", async () => {
  const bundle = `/tmp/ply-no-such-bundle-${process.pid}`;
  const start = (word: string) => spawn("sh", ["-c", "sleep 100; true", word], { stdio: "ignore" });
  const [one, other] = [start(bundle), start(`${bundle}-other`)];
  try {
    await Promise.all([once(one, "spawn"), once(other, "spawn")]);
    await endUnfinishedLaunch(bundle);
    if (one.signalCode === null) await once(one, "exit");
    assert.equal(one.signalCode, "SIGKILL");
    assert.equal(other.exitCode ?? other.signalCode, null);
  } finally {
    other.kill("SIGKILL");
    one.kill("SIGKILL");
  }
});
