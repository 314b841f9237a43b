import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { parseMachine, parseNetDev, readOomKills, readUsage } from "./cgroup-stats.ts";

describe("what a container uses", () => {
  let home: string;
  before(() => {
    home = mkdtempSync(join(tmpdir(), "ply-usage-"));
  });
  after(() => rmSync(home, { recursive: true, force: true }));

  const lay = (files: Readonly<Record<string, string>>): void => {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(home, path)), { recursive: true });
      writeFileSync(join(home, path), text);
    }
  };
  const options = { pid: 0, ownNetwork: false, at: 5 };

  test("v1: each controller's own files, two controllers in one hierarchy", async () => {
    lay({
      "cpu,cpuacct/ply/c/cpuacct.usage": "3000000000\n",
      "cpu,cpuacct/ply/c/cpuacct.usage_percpu": "1000000000 2000000000 \n",
      "cpu,cpuacct/ply/c/cpuacct.stat": "user 200\nsystem 100\n",
      "cpu,cpuacct/ply/c/cpu.stat": "nr_periods 9\nnr_throttled 4\nthrottled_time 77\n",
      "memory/ply/c/memory.usage_in_bytes": "8192\n",
      "memory/ply/c/memory.limit_in_bytes": "65536\n",
      "memory/ply/c/memory.stat": "cache 4096\ntotal_inactive_file 1024\n",
      "memory/ply/c/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
      "pids/ply/c/pids.current": "3\n",
      "pids/ply/c/pids.max": "max\n",
      "blkio/ply/c/blkio.throttle.io_service_bytes": "8:0 Read 10\n8:0 Write 20\n8:0 Total 30\nTotal 30\n",
    });
    const hierarchies = ["cpu,cpuacct", "memory", "pids", "blkio"].map((name) => join(home, name));
    const cgroups = { layout: "v1", hierarchies, strayControllers: [] } as const;
    const usage = await readUsage(cgroups, "/ply/c", options);
    assert.equal(usage.cpu.total, 3e9);
    assert.deepEqual(usage.cpu.perCpu, [1e9, 2e9]);
    assert.deepEqual([usage.cpu.user, usage.cpu.system], [2e9, 1e9]);
    assert.deepEqual([usage.cpu.periods, usage.cpu.throttledPeriods, usage.cpu.throttled], [9, 4, 77]);
    assert.deepEqual([usage.memory.usage, usage.memory.limit], [8192, 65536]);
    assert.equal(usage.memory.detail["total_inactive_file"], 1024);
    assert.deepEqual(usage.processes, { current: 3, limit: undefined });
    assert.deepEqual(usage.io, [{ major: 8, minor: 0, read: 10, written: 20 }]);
    assert.equal(readOomKills(cgroups, "/ply/c"), 2);
  });

  test("v2: one directory; no limit is the machine's memory", async () => {
    lay({
      "v2/ply/c/cpu.stat": "usage_usec 3000\nuser_usec 2000\nsystem_usec 1000\nnr_throttled 1\n",
      "v2/ply/c/memory.current": "4096\n",
      "v2/ply/c/memory.max": "max\n",
      "v2/ply/c/memory.stat": "inactive_file 12\n",
      "v2/ply/c/memory.events": "oom 1\noom_kill 1\n",
      "v2/ply/c/pids.current": "1\n",
      "v2/ply/c/pids.max": "7\n",
      "v2/ply/c/io.stat": "8:16 rbytes=5 wbytes=6 rios=1 wios=1 dbytes=0 dios=0\n",
    });
    const cgroups = { layout: "v2", hierarchies: [join(home, "v2")], strayControllers: [] } as const;
    const usage = await readUsage(cgroups, "/ply/c", options);
    assert.deepEqual([usage.cpu.total, usage.cpu.user, usage.cpu.throttledPeriods], [3e6, 2e6, 1]);
    assert.ok(usage.memory.limit > 2 ** 20);
    assert.deepEqual(usage.processes, { current: 1, limit: 7 });
    assert.deepEqual(usage.io, [{ major: 8, minor: 16, read: 5, written: 6 }]);
    assert.equal(readOomKills(cgroups, "/ply/c"), 1);
    assert.equal((await readUsage(cgroups, "/ply/gone", options)).memory.usage, 0);
  });

  test("the machine's time and interfaces", () => {
    const stat = "cpu  1 2 3 4 0 0 0 0 9 9\ncpu0 1 2 3 4 0 0 0 0 0 0\ncpu1 0 0 0 0 0 0 0 0 0 0\nintr 5\n";
    assert.deepEqual(parseMachine(stat), { machine: 100_000_000, processors: 2 });
    const text = [
      "Inter-|   Receive                                                |  Transmit",
      " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls",
      "    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0",
      "  eth0:     100 2 3 4 0 0 0 0 200 5 6 7 0 0 0 0",
    ].join("\n");
    assert.deepEqual(Object.keys(parseNetDev(text)), ["eth0"]);
    assert.equal(parseNetDev(text)["eth0"]?.txBytes, 200);
    assert.equal(parseNetDev(text)["eth0"]?.rxDropped, 4);
  });
});
