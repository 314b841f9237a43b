import assert from "node:assert/strict";
import { test } from "node:test";
import { checkLocalOptions, planMount } from "./local-options.ts";

const asked: string[] = [];
const lookUp = async (host: string): Promise<string> => {
  asked.push(host);
  return "192.0.2.7";
};

test("options of the local driver, refused as dockerd does", () => {
  const bad: [Record<string, string>, string][] = [
    [{ foo: "bar" }, 'invalid option: "foo"'],
    [{ type: "tmpfs" }, 'missing required option: "device"'],
    [{ device: "/x" }, 'missing required option: "type"'],
    [{ o: "bind", device: "/x" }, 'missing required option: "type"'],
    [{ size: "10m" }, "quota size requested but no quota support"],
  ];
  for (const [options, why] of bad)
    assert.throws(() => checkLocalOptions("v1", options), { kind: "invalid", message: `create v1: ${why}` });
  checkLocalOptions("v1", {});
  checkLocalOptions("v1", { type: "tmpfs", device: "tmpfs", o: "size=1m" });
});

test("what is mounted: as given; servers of NFS by their address", async () => {
  assert.equal(await planMount({}, lookUp), undefined);
  assert.deepEqual(await planMount({ type: "none", device: "/srv", o: "bind,ro" }, lookUp), {
    type: "none",
    device: "/srv",
    options: ["bind", "ro"],
  });
  assert.deepEqual(asked, []);
  const nfs = async (device: string, o: string, type = "nfs") =>
    (await planMount({ type, device, o }, lookUp))?.options;
  assert.deepEqual(await nfs(":/export", "addr=files.example,rw,nfsvers=4"), [
    "rw",
    "nfsvers=4",
    "addr=192.0.2.7",
  ]);
  assert.deepEqual(await nfs("files.example:/export", "rw", "nfs4"), ["rw", "addr=192.0.2.7"]);
  assert.deepEqual(await nfs("[2001:db8::1]:/export", ""), ["addr=192.0.2.7"]);
  assert.deepEqual(asked, ["files.example", "files.example", "2001:db8::1"]);
  assert.deepEqual(await nfs(":/export", "rw"), ["rw"]);
});
