import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isPlyError } from "../error.ts";
import type { Records } from "../store/index.ts";
import { openSessions } from "./open-sessions.ts";
import type { Sessions } from "./sessions.ts";

function inMemory(): Records {
  const kept = new Map<string, string>();
  return {
    put: (key, value) => void kept.set(key, JSON.stringify(value)),
    get: (key) => {
      const text = kept.get(key);
      return text === undefined ? undefined : JSON.parse(text);
    },
    delete: (key) => void kept.delete(key),
    list: () => [...kept].map(([key, value]) => ({ key, value: JSON.parse(value) as unknown })),
  };
}

interface World {
  readonly records: Records;
  /** Container by session. */
  readonly containers: Map<string, string>;
  /** Id by name. */
  readonly images: Map<string, string>;
  readonly trouble: string[];
  open(): Sessions;
}

function world(): World {
  const records = inMemory();
  const containers = new Map<string, string>();
  const images = new Map<string, string>();
  const trouble: string[] = [];
  return {
    records,
    containers,
    images,
    trouble,
    open: () =>
      openSessions({
        records,
        owned: [
          {
            kind: "container",
            of: (session) => [...containers].flatMap(([name, owner]) => (owner === session ? [name] : [])),
            async remove(name) {
              if (name === "stuck") throw new Error("device busy");
              containers.delete(name);
            },
          },
        ],
        imageId: (name) => images.get(name),
        removeImage: async (name) => void images.delete(name),
        onTrouble: (message) => trouble.push(message),
      }),
  };
}

describe("sessions", () => {
  test("what they own goes with them, and nothing else", async () => {
    const { open, containers, images, trouble } = world();
    const sessions = open();
    const { id } = sessions.open();
    containers.set("mine", id).set("stuck", id).set("other", "somebody");
    images.set("app:1", "before").set("base:1", "b");
    sessions.claimNames(id, ["app:1", "new:1"]);
    images.set("app:1", "after").set("new:1", "n").set("sha256:untagged", "u");
    sessions.claimImage(id, "sha256:untagged");
    assert.deepEqual(sessions.list(), [sessions.get(id)]);
    await Promise.all([sessions.end(id), sessions.end(id)]);
    assert.deepEqual([...containers.keys()], ["stuck", "other"]);
    assert.deepEqual([...images.keys()], ["app:1", "base:1"]);
    assert.deepEqual(trouble, ["session: container stuck stays: device busy"]);
    assert.throws(
      () => sessions.get(id),
      (error) => isPlyError(error, "not-found"),
    );
    await sessions.end(id);
  });

  test("an end waits for what is being made", async () => {
    const { open, containers } = world();
    const sessions = open();
    const { id } = sessions.open();
    const made = Promise.withResolvers<void>();
    const making = sessions.during(id, async () => {
      await made.promise;
      containers.set("late", id);
    });
    const ended = sessions.ended(id);
    const ending = sessions.end(id);
    await ended;
    await assert.rejects(
      sessions.during(id, () => {}),
      (error) => isPlyError(error, "not-found"),
    );
    made.resolve();
    await Promise.all([making, ending]);
    assert.deepEqual([...containers.keys()], []);
  });

  test("those of an engine that was killed end with the next one", async () => {
    const { open, containers, records } = world();
    const before = open();
    const { id } = before.open();
    containers.set("left", id);
    const after = open();
    await after[Symbol.asyncDispose]();
    assert.deepEqual([...containers.keys()], []);
    assert.deepEqual(records.list(), []);
  });
});
