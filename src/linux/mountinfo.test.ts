import assert from "node:assert/strict";
import { test } from "node:test";
import { parseMountinfo } from "./mountinfo.ts";
import { resourceLimits } from "./rlimit.ts";

test("mountinfo: optional fields, escapes and nonsense", () => {
  const text = [
    "36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 shared:7 - ext3 /dev/root\\134x rw,errors=continue",
    "not a line",
    "37 35 0:5 / /dev rw - tmpfs  ro",
    "",
  ].join("\n");
  assert.deepEqual(parseMountinfo(text), [
    {
      id: 36,
      parentId: 35,
      device: "98:0",
      root: "/mnt1",
      target: "/mnt 2",
      options: ["rw", "noatime"],
      propagation: ["master:1", "shared:7"],
      fstype: "ext3",
      source: "/dev/root\\x",
      superOptions: ["rw", "errors=continue"],
    },
    {
      id: 37,
      parentId: 35,
      device: "0:5",
      root: "/",
      target: "/dev",
      options: ["rw"],
      propagation: [],
      fstype: "tmpfs",
      source: "",
      superOptions: ["ro"],
    },
  ]);
});

test("resource limits by their OCI names", () => {
  const text = `Limit                     Soft Limit           Hard Limit           Units     
Max cpu time              unlimited            unlimited            seconds   
Max open files            1024                 20000                files     
Max realtime timeout      unlimited            unlimited            us        
`;
  assert.deepEqual(
    resourceLimits(text),
    new Map([
      ["RLIMIT_CPU", { soft: Infinity, hard: Infinity }],
      ["RLIMIT_NOFILE", { soft: 1024, hard: 20_000 }],
      ["RLIMIT_RTTIME", { soft: Infinity, hard: Infinity }],
    ]),
  );
  assert.ok((resourceLimits().get("RLIMIT_NOFILE")?.hard ?? 0) > 0);
});
