import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { startDocker } from "../../bench/peers/docker.ts";
import type { Peer } from "../../bench/peers/peer.ts";
import { CASES, CONTEXT, type DockerfileCase } from "../corpus/dockerfile-cases.ts";
import { type Built, buildWith, compareBuilt } from "../support/build.ts";
import { unless } from "../support/needs.ts";
import { startEngine, type TestEngine } from "../support/ply.ts";
import { busyboxMembers, member, tarball } from "../support/tarball.ts";

const AT_ONCE = 4;

describe("Dockerfiles come to the same with ply and with dockerd's classic builder", {
  skip: unless("root", "dockerd"),
}, () => {
  let engine: TestEngine;
  let dockerd: Peer;
  let work: string;
  const ours = new Map<DockerfileCase, Promise<Built>>();
  const theirs = new Map<DockerfileCase, Promise<Built>>();

  before(async () => {
    // In memory: dockerd waits for the disk with every step.
    work = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "ply-corpus-"));
    const [started, peer] = await Promise.all([startEngine(), startDocker(work)]);
    engine = started;
    if ("absent" in peer) throw new Error(peer.absent);
    dockerd = peer;
    const archive = tarball([
      { name: "in/", type: "5", mode: 0o750, uid: 3 },
      { name: "in/f", data: "f", uid: 3, gid: 4 },
    ]);
    const extra = [{ name: "archive.tar", data: archive, mtime: 1_500_000_000 }];
    const common = [...CONTEXT, ...extra].map(member);
    const base = tarball(busyboxMembers());
    const sockets = { ours: engine.socket, theirs: `${work}/docker/docker.sock` };
    const build = (socket: string, each: DockerfileCase): Promise<Built> => buildWith(socket, each, common);
    for (const socket of Object.values(sockets)) await buildWith.base(socket, base);
    // All are begun here and waited for one by one: the first tests need not wait for the last builds.
    const turns = createTurns(AT_ONCE);
    for (const each of CASES) {
      ours.set(
        each,
        turns(() => build(sockets.ours, each)),
      );
      if (each.differs === undefined)
        theirs.set(
          each,
          turns(() => build(sockets.theirs, each)),
        );
    }
  });
  after(async () => {
    await dockerd?.[Symbol.asyncDispose]();
    await engine?.[Symbol.asyncDispose]();
    rmSync(work, { recursive: true, force: true });
  });

  for (const each of CASES)
    test(each.name, async () => {
      const own = await (ours.get(each) ?? Promise.reject(new Error("not built")));
      if (each.fails !== undefined) {
        assert.match(own.error ?? "it was built", each.fails);
        const peer = each.differs === undefined ? await theirs.get(each) : undefined;
        assert(peer === undefined || peer.error !== undefined, "the peer builds it");
        return;
      }
      assert.equal(own.error, undefined);
      own.expect(each);
      if (each.differs === undefined) {
        const peer = await (theirs.get(each) ?? Promise.reject(new Error("not built")));
        assert.equal(peer.error, undefined);
        assert.deepEqual(compareBuilt(own, peer), []);
      }
    });
});

/** So many at a time, in order. */
function createTurns(limit: number): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let free = limit;
  return async (work) => {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free++;
      else next();
    }
  };
}
