import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PlyError } from "../error.ts";
import type { ImportOptions, PulledImage, TransferOptions } from "../image/index.ts";
import { canonicalString, parseImageId } from "../oci/index.ts";
import { testApi } from "./testing/client.ts";

const ID = parseImageId(`sha256:${"1".repeat(64)}`);
const DIGEST = `sha256:${"a".repeat(64)}`;
const pulled = (changed: boolean): PulledImage => ({ id: ID, digest: DIGEST, changed });

async function text(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  let all = "";
  for await (const chunk of chunks) all += Buffer.from(chunk).toString();
  return all;
}

describe("pull", () => {
  test("says what Docker says, from the first line to the status", async () => {
    await using api = await testApi({
      images: {
        pull: async (reference, options) => {
          assert.equal(canonicalString(reference), "docker.io/library/alpine:3");
          assert.deepEqual(options?.platform, { os: "linux", architecture: "arm64" });
          options?.onProgress?.({ kind: "layer", id: "aa", status: "Already exists" });
          return pulled(true);
        },
      },
    });
    const answer = await api.call("POST", "/images/create?fromImage=alpine&tag=3&platform=linux/arm64");
    assert.equal(answer.headers["content-type"], "application/json");
    assert.deepEqual(answer.lines(), [
      { status: "Pulling from library/alpine", id: "3" },
      { status: "Already exists", progressDetail: {}, id: "aa" },
      { status: `Digest: ${DIGEST}` },
      { status: "Status: Downloaded newer image for alpine:3" },
    ]);
  });

  test("an image that is up to date is said to be so; a digest is a tag, too", async () => {
    await using api = await testApi({ images: { pull: async () => pulled(false) } });
    const answer = await api.call("POST", `/images/create?fromImage=ghcr.io/a/b&tag=${DIGEST}`);
    assert.deepEqual(answer.lines().at(-1), {
      status: `Status: Image is up to date for ghcr.io/a/b@${DIGEST}`,
    });
  });

  test("what the engine says of itself is not said twice", async () => {
    const says = (text: string) => ({ kind: "message", text }) as const;
    await using api = await testApi({
      images: {
        pull: async (_, options) => {
          options?.onProgress?.({ kind: "message", text: "Pulling from library/x", id: "latest" });
          options?.onProgress?.(says(`Digest: ${DIGEST}`));
          options?.onProgress?.(says("Status: Downloaded newer image for x:latest"));
          return pulled(true);
        },
        push: async (_, options) => {
          options?.onProgress?.(says("The push refers to repository [docker.io/library/x]"));
          options?.onProgress?.(says(`latest: digest: ${DIGEST} size: 1`));
          return { tag: "latest", digest: DIGEST, size: 1 };
        },
        load: async (_, options) => {
          options?.onProgress?.(says("Loaded image: x:latest"));
          return [{ name: "x:latest", id: ID }];
        },
      },
    });
    const pull = await api.call("POST", "/images/create?fromImage=x&tag=latest");
    assert.deepEqual(pull.lines(), [
      { status: "Pulling from library/x", id: "latest" },
      { status: `Digest: ${DIGEST}` },
      { status: "Status: Downloaded newer image for x:latest" },
    ]);
    assert.equal((await api.call("POST", "/images/x/push?tag=latest")).lines().length, 3);
    const load = await api.call("POST", "/images/load", { body: "x" });
    assert.deepEqual(load.lines(), [{ stream: "Loaded image: x:latest\n" }]);
    const own = await api.call("POST", "/ply/images/pull", { body: { references: ["x"] } });
    assert.deepEqual(
      own.lines().map((line) => (line as { type: string }).type),
      ["pulled", "done"],
    );
  });

  test("without a tag all of them are pulled", async () => {
    await using api = await testApi({
      images: {
        pullAllTags: async (_, options) => {
          for (const tag of ["1", "2"])
            options?.onProgress?.({
              kind: "message",
              text: `Status: Image is up to date for localhost:5000/a:${tag}`,
            });
          return [pulled(false), { ...pulled(true), digest: ID }];
        },
      },
    });
    const lines = (await api.call("POST", "/images/create?fromImage=localhost:5000/a")).lines();
    const statuses = lines.map((line) => (line as { status: string }).status);
    assert.deepEqual(
      statuses.filter((status) => status.startsWith("Status:")),
      ["Status: Downloaded newer image for localhost:5000/a"],
    );
    assert.equal(lines.filter((line) => (line as { status: string }).status.startsWith("Digest:")).length, 2);
  });

  test("a failure before the first line is a status, after it the last line", async () => {
    let sends = false;
    await using api = await testApi({
      images: {
        pull: async (_, options) => {
          // The engine says this before it asks the registry: no news yet.
          options?.onProgress?.({ kind: "message", text: "Pulling from library/x", id: "latest" });
          if (sends) options?.onProgress?.({ kind: "layer", id: "aa", status: "Already exists" });
          throw new PlyError("not-found", "manifest unknown");
        },
      },
    });
    const early = await api.call("POST", "/images/create?fromImage=x&tag=latest");
    assert.deepEqual([early.status, early.json()], [404, { message: "manifest unknown", kind: "not-found" }]);
    sends = true;
    const late = await api.call("POST", "/images/create?fromImage=x&tag=latest");
    assert.equal(late.status, 200);
    assert.deepEqual(late.lines(), [
      { status: "Pulling from library/x", id: "latest" },
      { status: "Already exists", progressDetail: {}, id: "aa" },
      { errorDetail: { message: "manifest unknown" }, error: "manifest unknown" },
    ]);
  });

  test("who may not see a repository is told 404, as if it were not there", async () => {
    await using api = await testApi({
      images: {
        pull: async () => {
          throw new PlyError("denied", "denied: requested access to the resource is denied");
        },
      },
    });
    const answer = await api.call("POST", "/images/create?fromImage=me/secret&tag=latest");
    assert.equal(answer.status, 404);
    assert.match(
      answer.text,
      /"pull access denied for me\/secret, repository does not exist or may require 'docker login': denied: /,
    );
  });

  test("credentials come from the header, in all their forms", async () => {
    const given: TransferOptions["credentials"][] = [];
    await using api = await testApi({
      images: {
        pull: async (_, options) => {
          given.push(options?.credentials);
          return pulled(false);
        },
      },
    });
    for (const auth of [
      '{"username":"u","password":"p"}',
      '{"identitytoken":"t"}',
      '{"registrytoken":"r"}',
      `{"auth":"${Buffer.from("u:p:q").toString("base64")}"}`,
      "{}",
    ])
      await api.call("POST", "/images/create?fromImage=x&tag=y", {
        headers: { "X-Registry-Auth": Buffer.from(auth).toString("base64url") },
      });
    assert.deepEqual(given, [
      { username: "u", password: "p" },
      { identityToken: "t" },
      { registryToken: "r" },
      { username: "u", password: "p:q" },
      undefined,
    ]);
    const bad = await api.call("POST", "/images/create?fromImage=x", {
      headers: { "X-Registry-Auth": "e30x" },
    });
    assert.equal(bad.status, 400);
  });

  test("parameters that cannot be", async () => {
    await using api = await testApi();
    for (const query of ["", "fromImage=UPPER", "fromImage=x&tag=!", "fromImage=x&tag=y&platform=a/b/c/d/e"])
      assert.equal((await api.call("POST", `/images/create?${query}`)).status, 400, query);
  });
});

describe("push", () => {
  test("ends with the digest; its failures are in the stream", async () => {
    let fails = false;
    await using api = await testApi({
      images: {
        push: async (reference) => {
          if (fails) throw new PlyError("denied", "denied");
          return { tag: reference.tag ?? "", digest: DIGEST, size: 528 };
        },
      },
    });
    const answer = await api.call("POST", "/images/localhost:5000/team/app/push?tag=v1");
    assert.deepEqual(answer.lines(), [
      { status: "The push refers to repository [localhost:5000/team/app]" },
      { status: `v1: digest: ${DIGEST} size: 528` },
      { progressDetail: {}, aux: { Tag: "v1", Digest: DIGEST, Size: 528 } },
    ]);
    fails = true;
    const failed = await api.call("POST", "/images/localhost:5000/team/app/push?tag=v1");
    assert.equal(failed.status, 200);
    assert.deepEqual(failed.lines().at(-1), { errorDetail: { message: "denied" }, error: "denied" });
  });
});

describe("save, load and import", () => {
  test("an archive goes out as it comes, for several names and for one", async () => {
    await using api = await testApi({
      images: {
        save: async (names, options) => {
          const chunks = [`${names.join("+")} ${options.format}`, "x".repeat(1_000_000)];
          return (async function* () {
            for (const chunk of chunks) yield Buffer.from(chunk);
          })();
        },
      },
    });
    const several = await api.call("GET", "/images/get?names=a&names=b/c:d");
    assert.equal(several.headers["content-type"], "application/x-tar");
    assert.equal(several.text.length, "a+b/c:d docker".length + 1_000_000);
    assert.match((await api.call("GET", "/images/b/c:d/get")).text, /^b\/c:d docker/);
    assert.match((await api.call("GET", "/ply/images/save?names=a&format=oci")).text, /^a oci/);
    assert.equal((await api.call("GET", "/ply/images/save?names=a&format=zip")).status, 400);
    assert.equal((await api.call("GET", "/images/get")).status, 400);
  });

  test("an archive that breaks off is cut, not ended", async () => {
    await using api = await testApi({
      images: {
        save: async () =>
          (async function* () {
            yield Buffer.from("begin");
            throw new PlyError("corrupt", "layer is corrupt");
          })(),
      },
    });
    await assert.rejects(api.call("GET", "/images/x/get"));
    assert.match(api.logged.join(), /layer is corrupt/);
  });

  test("load reads the body and names what it found; quiet shows no progress", async () => {
    await using api = await testApi({
      images: {
        load: async (archive, options) => {
          const length = (await text(archive)).length;
          options?.onProgress?.({
            kind: "layer",
            id: "aa",
            status: "Loading",
            current: length,
            total: length,
          });
          return [{ name: "alpine:latest", id: ID }, { id: ID }];
        },
      },
    });
    const loud = await api.call("POST", "/images/load", { body: "tar!" });
    assert.deepEqual(loud.lines().slice(-3), [
      {
        status: "Loading layer",
        progressDetail: { current: 4, total: 4 },
        progress: `[${"=".repeat(50)}>]       4B/4B`,
        id: "aa",
      },
      { stream: "Loaded image: alpine:latest\n" },
      { stream: `Loaded image ID: ${ID}\n` },
    ]);
    assert.equal((await api.call("POST", "/images/load?quiet=1", { body: "tar!" })).lines().length, 2);
  });

  test("import takes the body, a name, changes and a message", async () => {
    const asked: ImportOptions[] = [];
    await using api = await testApi({
      images: {
        import: async (tar, options) => {
          assert.equal(await text(tar), "tar!");
          asked.push(options);
          return ID;
        },
      },
    });
    const answer = await api.call(
      "POST",
      `/images/create?fromSrc=-&repo=mine&message=hi&changes=${encodeURIComponent('CMD ["x"]')}&changes=USER+me`,
      { body: "tar!" },
    );
    assert.deepEqual(answer.lines(), [{ status: ID }]);
    const [options] = asked;
    assert.ok(options);
    const { signal: _, ...rest } = options;
    assert.deepEqual(rest, {
      changes: ['CMD ["x"]', "USER me"],
      comment: "hi",
      reference: { domain: "docker.io", path: "library/mine", tag: "latest" },
    });
    assert.equal((await api.call("POST", "/images/create?fromSrc=file:///etc/passwd")).status, 400);
  });
});
