import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { startBuildKit } from "../../bench/peers/buildkit.ts";
import { unmountUnder } from "../../bench/peers/clean.ts";
import { startDocker } from "../../bench/peers/docker.ts";
import type { Peer, StartPeer } from "../../bench/peers/peer.ts";
import { openLimiter } from "../../src/image/limiter.ts";
import { BY_CLIENTS, CASES, type DockerfileCase, type Judge } from "../corpus/dockerfile/index.ts";
import {
  type Build,
  buildahBuilder,
  buildByApi,
  buildByCommand,
  type CaseInput,
  classicBuilder,
  importBase,
  layOut,
} from "../support/build.ts";
import { type Built, compareBuilt, digestOf, entryAt } from "../support/built-image.ts";
import { type CorpusServer, serveCorpus } from "../support/corpus-server.ts";
import { unless } from "../support/needs.ts";
import { PLY_BINARY, startEngine, type TestEngine } from "../support/ply.ts";
import { busyboxMembers, tarball } from "../support/tarball.ts";

const AT_ONCE = 4;

/**
 * `PLY_CORPUS=whole`: all judges build all they know, which takes minutes, and what they agree with is written down. Otherwise
 * ply's results have to be what was agreed with, and the judges build every so many cases and whatever has changed.
 */
const IS_WHOLE = process.env["PLY_CORPUS"] === "whole";
const EVERY = 20;
const AGREED = join(import.meta.dirname, "../corpus/dockerfile/agreed.json");

/** What a case came to: with ply from a directory, from an archive, and with those that judge it. */
interface Verdict {
  readonly own: Built;
  readonly digest: string;
  readonly byApi: Awaited<ReturnType<typeof buildByApi>> | undefined;
  readonly judged: ReadonlyMap<Judge, Built>;
}

describe("Dockerfiles come to the same with ply and with BuildKit, dockerd's classic builder and buildah", {
  skip: unless("root", "dockerd", "buildah", "git"),
}, () => {
  let work: string;
  let engine: TestEngine;
  const peers: Peer[] = [];
  const judges = new Map<Judge, Build>();
  let server: CorpusServer;
  const verdicts = new Map<DockerfileCase, Promise<Verdict>>();
  const agreed = JSON.parse(readFileSync(AGREED, "utf8")) as Record<string, string>;
  const found: Record<string, string> = {};

  before(async () => {
    // In memory: dockerd waits for the disk with every step.
    work = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "ply-corpus-"));
    const start = async (starting: StartPeer): Promise<Peer> => {
      const peer = await starting(work);
      if ("absent" in peer) throw new Error(peer.absent);
      peers.push(peer);
      return peer;
    };
    const [started, buildkit, classic] = await Promise.all([
      startEngine(),
      start(startBuildKit),
      start(startDocker),
    ]);
    engine = started;
    server = await serveCorpus(join(work, "served"));
    const base = tarball(busyboxMembers());
    const socketOf = ({ environment }: Peer) => (environment["DOCKER_HOST"] ?? "").replace("unix://", "");
    for (const socket of [engine.socket, socketOf(buildkit), socketOf(classic)])
      await importBase(socket, base);
    judges.set(
      "buildkit",
      buildByCommand(["docker", "buildx", "build"], buildkit.environment, socketOf(buildkit)),
    );
    judges.set("classic", classicBuilder(socketOf(classic)));
    judges.set("buildah", await buildahBuilder(join(work, "buildah"), base));
    const own = buildByCommand([PLY_BINARY, "build"], { PLY_HOST: engine.host, HOME: work }, engine.socket);
    // All are begun here and waited for one by one: the first tests need not wait for the last builds.
    const turns = openLimiter(AT_ONCE).run;
    for (const [n, each] of CASES.entries())
      verdicts.set(
        each,
        turns(() => judge(layOut(each, join(work, `case-${n}`), server.address), own, n % EVERY === 0)),
      );
  });
  after(async () => {
    await Promise.allSettled(verdicts.values());
    server?.close();
    for (const peer of peers) await peer[Symbol.asyncDispose]();
    await engine?.[Symbol.asyncDispose]();
    await unmountUnder(work);
    rmSync(work, { recursive: true, force: true });
  });

  /**
   * Built by the classic API an image also carries the records of its cache: its id is another. What RUN makes may come from another
   * case that is built at the same time.
   */
  const whatIsOf = async (id: string, { text }: DockerfileCase): Promise<unknown> => {
    const { RootFS, Config } = JSON.parse((await engine.request("GET", `/images/${id}/json`)).text);
    return /\bRUN\b/i.test(text) ? { Config } : { RootFS, Config };
  };

  const judge = async (input: CaseInput, build: Build, isSample: boolean): Promise<Verdict> => {
    const { each } = input;
    const own = await build(input);
    const digest = digestOf(each, own);
    const isAsked = IS_WHOLE || isSample || agreed[each.name] !== digest;
    const asked = isAsked ? [...judges].filter(([name]) => each.judges?.includes(name) ?? true) : [];
    const judged = asked.map(async ([name, judging]) => [name, await judging(input)] as const);
    // What the classic API cannot say is not asked of it.
    const isClassic = each.secrets === undefined && each.contexts === undefined && each.judges !== BY_CLIENTS;
    const byApi = isClassic ? await buildByApi(engine.socket, input) : undefined;
    const verdict = { own, digest, byApi, judged: new Map(await Promise.all(judged)) };
    rmSync(input.directory, { recursive: true, force: true });
    return verdict;
  };

  for (const each of CASES)
    test(each.name, async () => {
      const { own, digest, byApi, judged } = await (verdicts.get(each) ??
        Promise.reject(new Error("not built")));
      if (each.fails === undefined) assert.equal(own.error, undefined);
      else {
        assert(own.error !== undefined, "it was built");
        assert.match(own.error, each.fails);
      }
      for (const [path, expected] of Object.entries(each.tree ?? {}))
        assert.equal(entryAt(own, path), expected, path);
      for (const [field, expected] of Object.entries(each.config ?? {}))
        assert.deepEqual(own.config[field], expected, field);
      if (byApi !== undefined && own.id !== undefined) {
        assert("id" in byApi, JSON.stringify(byApi));
        assert.deepEqual(await whatIsOf(byApi.id, each), await whatIsOf(own.id, each), "from an archive");
      }
      for (const [name, theirs] of judged) {
        const differences = compareBuilt(own, theirs);
        if (each.differs?.[name] === undefined) assert.deepEqual(differences, [], name);
        else assert.notDeepEqual(differences, [], `${name} does the same by now: ${each.differs[name]}`);
      }
      found[each.name] = digest;
    });

  test("every result is one that was agreed with", () => {
    if (IS_WHOLE) writeFileSync(AGREED, `${JSON.stringify(found, null, 2)}\n`);
    else assert.deepEqual(found, agreed, "run this test with PLY_CORPUS=whole");
  });
});
