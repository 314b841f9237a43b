import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PlyError } from "../error.ts";
import { testApi } from "./testing/client.ts";
import { fakeContainer } from "./testing/fake-engine.ts";

const filters = (value: unknown) => `filters=${encodeURIComponent(JSON.stringify(value))}`;

describe("prune routes", () => {
  test("what does not run goes, unless a filter spares it", async () => {
    const removed: string[] = [];
    await using api = await testApi({
      containers: {
        remove: async (id, options) => {
          assert.deepEqual(options, { force: false, volumes: false });
          if (id === fakeContainer({ name: "fresh" }).id) throw new PlyError("conflict", "it was started");
          removed.push(id);
        },
      },
    });
    api.engine.containerList.push(fakeContainer({ name: "fresh", status: "created" }));
    const prune = async (query = "") => {
      removed.length = 0;
      const answer = await api.call("POST", `/containers/prune?${query}`);
      assert.equal(answer.status, 200, answer.text);
      assert.deepEqual((answer.json() as { ContainersDeleted: unknown }).ContainersDeleted ?? [], removed);
      return [
        answer.json() as object,
        removed.map((id) => Buffer.from(id, "hex").toString().replace(/-*$/, "")),
      ];
    };
    const all = await prune();
    assert.deepEqual(all[1], ["old"]);
    assert.equal((all[0] as { SpaceReclaimed: number }).SpaceReclaimed, 4096);
    assert.deepEqual((await prune(filters({ label: ["tier=old"] })))[1], ["old"]);
    for (const spare of [{ label: ["tier=web"] }, { "label!": ["tier=old"] }, { until: ["24h"] }])
      assert.deepEqual((await prune(filters(spare)))[1], [], JSON.stringify(spare));
    assert.equal((await api.call("POST", `/containers/prune?${filters({ name: ["x"] })}`)).status, 400);
  });
});
