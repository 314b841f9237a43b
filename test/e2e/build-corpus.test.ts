import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
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

const AT_ONCE = 3;

describe("Dockerfiles come to the same with ply and with dockerd's classic builder", {
  skip: unless("root", "dockerd"),
}, () => {
  let engine: TestEngine;
  let dockerd: Peer;
  let work: string;
  const ours = new Map<DockerfileCase, Promise<Built>>();
  const theirs = new Map<DockerfileCase, Promise<Built>>();

  before(async () => {
    work = mkdtempSync(join(tmpdir(), "ply-corpus-"));
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
    const queue = CASES.flatMap((each) => [
      () => remember(ours, each, build(sockets.ours, each)),
      ...(each.differs === undefined ? [() => remember(theirs, each, build(sockets.theirs, each))] : []),
    ]);
    const worker = async (): Promise<void> => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) await next();
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
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

function remember(
  into: Map<DockerfileCase, Promise<Built>>,
  each: DockerfileCase,
  built: Promise<Built>,
): Promise<unknown> {
  built.catch(() => undefined);
  into.set(each, built);
  return built.catch(() => undefined);
}
