import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { DockerStats } from "../../wire/index.ts";
import { cpuShare, memoryUsed } from "./stats-columns.ts";

const cpu = (total: number, machine?: number) => ({
  cpu_usage: { total_usage: total, usage_in_kernelmode: 0, usage_in_usermode: 0 },
  ...(machine === undefined ? {} : { system_cpu_usage: machine, online_cpus: 4 }),
  throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
});

describe("the columns of stats", () => {
  test("a share is of one processor, by what the machine had", () => {
    const stats = { cpu_stats: cpu(150, 1400), precpu_stats: cpu(50, 1000) } as DockerStats;
    assert.equal(cpuShare(stats), 1);
    assert.equal(cpuShare({ ...stats, cpu_stats: cpu(0) }), 0);
  });

  test("memory without idle cache, by either version's name for it", () => {
    const used = (stats: Record<string, number>) =>
      memoryUsed({ memory_stats: { usage: 100, stats } } as unknown as DockerStats);
    assert.equal(used({ total_inactive_file: 30, inactive_file: 10 }), 70);
    assert.equal(used({ inactive_file: 10 }), 90);
    assert.equal(used({ inactive_file: 200 }), 100);
  });
});
