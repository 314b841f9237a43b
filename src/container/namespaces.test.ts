import assert from "node:assert/strict";
import { test } from "node:test";
import { isPlyError, PlyError } from "../error.ts";
import type { ContainerRecord, HostOptions } from "./containers.ts";
import type { HostSettings } from "./host-settings.ts";
import { withJoinedIds } from "./joined.ts";
import { launchNamespaces, ownsCgroupNamespace, sharedNamespaces, usersOf } from "./namespaces.ts";

const ID = "a".repeat(64);
const range = [{ inside: 0, outside: 100_000, size: 65_536 }];
const idMap = { uids: range, gids: range };
const hostWith = (settings: HostSettings, over: Partial<HostOptions> = {}) =>
  ({ networkMode: "none", privileged: false, settings, ...over }) as HostOptions;
const recordWith = (settings: HostSettings, over: Partial<ContainerRecord> = {}) =>
  ({ id: ID, name: "x", status: "running", pid: 42, host: hostWith(settings), ...over }) as ContainerRecord;
const says = (kind: "invalid" | "conflict" | "not-found", words: RegExp) => (error: unknown) =>
  isPlyError(error, kind) && words.test(error.message);

test("modes of namespaces: the host's, a container's, one's own", () => {
  assert.deepEqual([...sharedNamespaces({ ipcMode: "host", pidMode: "host", utsMode: "" })], ["ipc", "pid"]);
  assert.deepEqual([...sharedNamespaces({ ipcMode: "container:x", pidMode: "container:y" })], []);
  for (const settings of [
    { pidMode: "odd" },
    { utsMode: "container:x" },
    { ipcMode: "container:" },
    { cgroupnsMode: "x" },
  ])
    assert.throws(() => sharedNamespaces(settings), says("invalid", /^invalid /));
});

test("a cgroup namespace of its own: as the layout has it, unless somebody says", () => {
  assert.equal(ownsCgroupNamespace(hostWith({}), true), true);
  assert.equal(ownsCgroupNamespace(hostWith({}), false), false);
  assert.equal(ownsCgroupNamespace(hostWith({ cgroupnsMode: "private" }), false), true);
  assert.equal(ownsCgroupNamespace(hostWith({ cgroupnsMode: "host" }), true), false);
  assert.throws(
    () => ownsCgroupNamespace(hostWith({ cgroupnsMode: "private" }, { privileged: true }), false),
    says("invalid", /incompatible with private cgroup namespaces/),
  );
});

test("joining a container takes its namespaces, its memory and its users", () => {
  const donor = recordWith({ ipcMode: "shareable" }, { idMap });
  const record = recordWith({ ipcMode: `container:${ID}`, pidMode: `container:${ID}` });
  const found = launchNamespaces(record, "/root/containers/me", () => donor);
  assert.deepEqual(found.joined, {
    user: "/proc/42/ns/user",
    ipc: "/proc/42/ns/ipc",
    pid: "/proc/42/ns/pid",
  });
  assert.deepEqual(found.idMap, idMap);
  assert.equal(found.mounts[0]?.source, `/root/containers/${ID}/shm`);
  assert.deepEqual(
    usersOf(recordWith({}, { idMap }), () => donor),
    { idMap },
  );
});

test("what cannot be joined is said as Docker says it", () => {
  const record = recordWith({ ipcMode: "container:x" });
  const launch = (found: () => ContainerRecord) => () => launchNamespaces(record, "/c/me", found);
  const none = () => {
    throw new PlyError("not-found", "No such container: x");
  };
  assert.throws(launch(none), says("not-found", /^can't join IPC of container x: No such container: x$/));
  assert.throws(
    launch(() => recordWith({}, { pid: 0, status: "exited" })),
    says("conflict", /is not running$/),
  );
  assert.throws(
    launch(() => recordWith({}, { status: "restarting" })),
    says("conflict", /is restarting/),
  );
  assert.throws(
    launch(() => recordWith({})),
    says("invalid", /non-shareable IPC \(hint: use IpcMode:shareable for the donor container\)$/),
  );
  assert.throws(() => withJoinedIds(record.host, none), says("invalid", /^No such container/));
  const named = withJoinedIds(record.host, () => recordWith({}));
  assert.equal(named.settings?.ipcMode, `container:${ID}`);
});
