import assert from "node:assert/strict";
import { request } from "node:http";
import { connect } from "node:net";
import { describe, test } from "node:test";
import { PlyError } from "../error.ts";
import { createApiServer, listen } from "./index.ts";
import { testApi } from "./testing/client.ts";
import { fakeEngine } from "./testing/fake-engine.ts";

describe("API server", () => {
  test("ping says what clients negotiate with, by GET and HEAD, under any version", async () => {
    await using api = await testApi();
    for (const path of ["/_ping", "/v1.24/_ping", "/v1.56/_ping"])
      for (const method of ["GET", "HEAD"]) {
        const answer = await api.call(method, path);
        assert.equal(answer.status, 200, `${method} ${path}`);
        assert.equal(answer.text, method === "GET" ? "OK" : "");
        assert.equal(answer.headers["api-version"], "1.50");
        assert.equal(answer.headers["docker-experimental"], "true");
        assert.equal(answer.headers["ostype"], "linux");
        assert.equal(answer.headers["builder-version"], "1");
        assert.equal(answer.headers["swarm"], "inactive");
        assert.match(String(answer.headers["server"]), /^Ply\/\S+ \(linux\)$/);
      }
  });

  test("an old version is served, one that is too new is told so", async () => {
    await using api = await testApi();
    assert.equal((await api.call("GET", "/v1.10/version")).status, 200);
    for (const version of ["1.99", "2.0"]) {
      const answer = await api.call("GET", `/v${version}/version`);
      assert.equal(answer.status, 400);
      assert.deepEqual(answer.json(), {
        message: `client version ${version} is too new. Maximum supported API version is 1.56`,
        kind: "invalid",
      });
      assert.equal(answer.headers["api-version"], "1.50");
    }
  });

  test("unknown pages, wrong methods and broken paths", async () => {
    await using api = await testApi();
    for (const [method, path] of [
      ["GET", "/nothing"],
      ["PUT", "/images/json"],
      ["GET", "/v1.43"],
    ] as const) {
      const answer = await api.call(method, path);
      assert.equal(answer.status, 404);
      assert.deepEqual(answer.json(), { message: "page not found", kind: "not-found" });
    }
    assert.equal((await api.call("GET", "/images/%ff/json")).status, 400);
  });

  test("each kind of error has its status, its message and its hint", async () => {
    const kinds = [
      ["invalid", 400],
      ["denied", 403],
      ["not-found", 404],
      ["exists", 409],
      ["conflict", 409],
      ["limit", 413],
      ["corrupt", 500],
      ["internal", 500],
      ["unsupported", 501],
      ["unavailable", 503],
    ] as const;
    let kind: (typeof kinds)[number][0] = "invalid";
    await using api = await testApi({
      images: {
        history: async () => {
          throw new PlyError(kind, "what was wrong", { hint: "what to do" });
        },
      },
    });
    for (const [each, status] of kinds) {
      kind = each;
      const answer = await api.call("GET", "/images/x/history");
      assert.equal(answer.status, status, each);
      assert.deepEqual(answer.json(), { message: "what was wrong", kind: each, hint: "what to do" });
    }
  });

  test("a bug is answered with 500 and logged with its stack", async () => {
    await using api = await testApi({
      images: {
        history: async () => {
          throw new TypeError("oops");
        },
      },
    });
    const answer = await api.call("GET", "/images/x/history?secret=1");
    assert.equal(answer.status, 500);
    assert.deepEqual(answer.json(), { message: "oops" });
    assert.match(api.logged.join("\n"), /^error: GET \/images\/x\/history: oops\nTypeError: oops\n/);
    assert.doesNotMatch(api.logged.join("\n"), /secret/);
  });

  test("bodies: bad JSON, no object, none and too much", async () => {
    await using api = await testApi();
    const post = async (body: string | undefined) => api.call("POST", "/containers/create", { body });
    for (const body of ["{", "[]", "3", undefined]) {
      const answer = await post(body);
      assert.equal(answer.status, 400, String(body));
      assert.match((answer.json() as { message: string }).message, /^invalid JSON: /);
    }
    const huge = await post(`{"Image":"${"x".repeat(9 * 1024 * 1024)}"}`);
    assert.equal(huge.status, 413);
  });

  test("a client that goes away cancels what runs for it", async () => {
    const seen = Promise.withResolvers<AbortSignal>();
    const cancelled = Promise.withResolvers<string>();
    await using api = await testApi({
      images: {
        pull: (_, options) => {
          const signal = options?.signal;
          if (signal === undefined) throw new Error("no signal");
          seen.resolve(signal);
          return new Promise((_resolve, reject) => {
            signal.addEventListener("abort", () => {
              cancelled.resolve(String(signal.reason));
              reject(new PlyError("cancelled", "stopped"));
            });
          });
        },
      },
    });
    const sent = request({
      socketPath: api.socketPath,
      method: "POST",
      path: "/images/create?fromImage=alpine&tag=latest",
    });
    sent.on("error", () => {});
    sent.end();
    assert.equal((await seen.promise).aborted, false);
    sent.destroy();
    assert.match(await cancelled.promise, /the client went away/);
  });

  test("closing the server cancels what runs and cuts the connections", async () => {
    const cancelled = Promise.withResolvers<string>();
    const begun = Promise.withResolvers<void>();
    const api = await testApi({
      images: {
        pull: (_, options) =>
          new Promise((_resolve, reject) => {
            options?.signal?.addEventListener("abort", () => {
              cancelled.resolve(String(options.signal?.reason));
              reject(new PlyError("cancelled", "stopped"));
            });
            begun.resolve();
          }),
      },
    });
    const answer = api.call("POST", "/images/create?fromImage=alpine&tag=latest").catch(() => undefined);
    await begun.promise;
    await api[Symbol.asyncDispose]();
    assert.match(await cancelled.promise, /shutting down/);
    await answer;
  });

  test("an upgrade of what cannot be upgraded is answered like any error", async () => {
    await using api = await testApi();
    const ask = (path: string) =>
      new Promise<string>((resolve, reject) => {
        const socket = connect({ path: api.socketPath });
        let text = "";
        socket.on("data", (chunk) => {
          text += String(chunk);
        });
        socket.on("error", reject);
        socket.on("end", () => resolve(text));
        socket.write(`POST ${path} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n`);
      });
    assert.match(
      await ask("/v1.43/containers/gone/start"),
      /^HTTP\/1\.1 501 [\s\S]*Api-Version: 1\.50[\s\S]*cannot be upgraded/,
    );
    assert.match(
      await ask("/containers/gone/attach"),
      /^HTTP\/1\.1 404 [\s\S]*"message":"No such container: gone"/,
    );
  });

  test("a port on loopback is not for web pages", async () => {
    const server = createApiServer({ engine: fakeEngine() });
    await using _closing = server;
    const listener = await listen(server, { kind: "tcp", host: "127.0.0.1", port: 0 });
    const port = Number(listener.address.split(":").at(-1));
    const status = async (headers: Record<string, string>) =>
      new Promise<number>((resolve, reject) => {
        request({ host: "127.0.0.1", port, path: "/version", headers, agent: false }, (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        })
          .on("error", reject)
          .end();
      });
    assert.equal(await status({}), 200);
    assert.equal(await status({ Host: `localhost:${port}`, Origin: `http://localhost:${port}` }), 200);
    assert.equal(await status({ Origin: "https://evil.example" }), 403);
    assert.equal(await status({ Host: "evil.example" }), 403);
    assert.equal(await status({ "Sec-Fetch-Site": "cross-site" }), 403);
  });
});
