import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isPlyError } from "../error.ts";
import type { ContainerStatus } from "./containers.ts";
import { canBecome, hasProcess, isActive, nextStatus } from "./state.ts";

const ALL: readonly ContainerStatus[] = [
  "created",
  "running",
  "paused",
  "restarting",
  "exited",
  "removing",
  "dead",
];

describe("the table of states", () => {
  test("every state can be left, and removal is reached from every one of them", () => {
    for (const from of ALL) {
      const reached = new Set<ContainerStatus>([from]);
      for (const at of reached) for (const to of ALL) if (canBecome(at, to)) reached.add(to);
      assert.ok(reached.has("removing"), `${from} never comes to its removal`);
    }
  });

  test("nothing comes back from a removal", () => {
    for (const from of ["removing", "dead"] as const)
      for (const to of ["created", "running", "paused", "restarting", "exited"] as const)
        assert.equal(canBecome(from, to), false, `${from} to ${to}`);
  });

  test("a container with a process is not removed", () => {
    for (const from of ALL) if (isActive(from)) assert.equal(canBecome(from, "removing"), false, from);
    assert.deepEqual(ALL.filter(hasProcess), ["running", "paused"]);
  });

  test("what cannot be is a conflict in Docker's words", () => {
    const words = (from: ContainerStatus, to: ContainerStatus): string => {
      try {
        nextStatus(from, to, "abc");
      } catch (error) {
        if (isPlyError(error, "conflict")) return error.message;
        throw error;
      }
      return "fine";
    };
    assert.equal(words("running", "paused"), "fine");
    assert.equal(words("paused", "paused"), "Container abc is already paused");
    assert.equal(words("exited", "paused"), "Container abc is not running");
    assert.match(words("restarting", "paused"), /^Container abc is restarting, wait until/);
    assert.match(words("dead", "running"), /marked for removal/);
  });
});
