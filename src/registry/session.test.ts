import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isPlyError, type PlyError } from "../error.ts";
import { parseReference, type Reference } from "../oci/index.ts";
import type { Credentials, RegistryClient, RegistryOptions } from "./client.ts";
import { openRegistry } from "./open-registry.ts";
import { type ScriptedAnswer, type ScriptedRequest, startScriptedServer } from "./testing/scripted-server.ts";

const JSON_TYPE = { "Content-Type": "application/json" };
const json = (value: unknown, headers: Record<string, string> = {}): ScriptedAnswer => ({
  headers: { ...JSON_TYPE, ...headers },
  body: JSON.stringify(value),
});

function open(options: Partial<RegistryOptions> = {}): RegistryClient & Disposable {
  return openRegistry({ userAgent: "ply tests", retries: 2, backoffMs: 1, stallTimeoutMs: 2000, ...options });
}

const at = (host: string, path = "a/b"): Reference => parseReference(`${host}/${path}:1`);

async function failure(work: Promise<unknown>): Promise<PlyError> {
  try {
    await work;
  } catch (error) {
    assert.ok(isPlyError(error), `not a PlyError: ${String(error)}`);
    return error;
  }
  throw new assert.AssertionError({ message: "it did not fail" });
}

/** A registry with a token service beside it; `tokens` counts those given out. */
function tokenScript(
  given: { lifetime?: number; accepts?: (token: string) => boolean; realm?: string } = {},
) {
  let tokens = 0;
  return (request: ScriptedRequest, host: string): ScriptedAnswer => {
    if (request.path.startsWith("/token"))
      return json({ token: `t${++tokens}`, expires_in: given.lifetime ?? 300 });
    const token = /^Bearer (.*)$/.exec(request.headers.authorization ?? "")?.[1];
    if (token !== undefined && (given.accepts?.(token) ?? true)) return json({ tags: ["1"] });
    const realm = given.realm ?? `http://${host}/token`;
    return { status: 401, headers: { "WWW-Authenticate": `Bearer realm="${realm}",service="s"` } };
  };
}

describe("bearer tokens", () => {
  test("one per scope, used until it ends", async () => {
    await using server = await startScriptedServer(tokenScript());
    using client = open();
    await client.tags(at(server.host));
    await client.tags(at(server.host));
    await client.tags(at(server.host, "other"));
    const asked = server.requests
      .filter(({ path }) => path.startsWith("/token"))
      .map(({ path }) => decodeURIComponent(path));
    assert.deepEqual(asked, [
      "/token?service=s&scope=repository:a/b:pull",
      "/token?service=s&scope=repository:other:pull",
    ]);
  });

  test("many requests at once share one", async () => {
    await using server = await startScriptedServer(tokenScript());
    using client = open();
    await Promise.all(Array.from({ length: 8 }, () => client.tags(at(server.host))));
    assert.equal(server.requests.filter(({ path }) => path.startsWith("/token")).length, 1);
    assert.equal(server.requests.filter(({ path }) => path === "/v2/").length, 1);
  });

  test("one that was refused is replaced, once", async () => {
    await using server = await startScriptedServer(tokenScript({ accepts: (token) => token !== "t1" }));
    using client = open();
    assert.deepEqual(await client.tags(at(server.host)), ["1"]);
    await using stubborn = await startScriptedServer(tokenScript({ accepts: () => false }));
    const error = await failure(client.tags(at(stubborn.host)));
    assert.equal(error.kind, "denied");
    assert.equal(error.hint, `ply login ${stubborn.host}`);
    assert.equal(stubborn.requests.filter(({ path }) => path.startsWith("/v2/a/b")).length, 2);
  });

  test("credentials of different users never share one", async () => {
    await using server = await startScriptedServer(tokenScript());
    using client = open();
    const users: Credentials[] = [
      { username: "a", password: "1" },
      { username: "b", password: "1" },
    ];
    for (const credentials of users) await client.tags(at(server.host), { credentials });
    const asked = server.requests.filter(({ path }) => path.startsWith("/token"));
    assert.deepEqual(
      asked.map(({ headers }) => headers.authorization),
      users.map(
        ({ username, password }) => `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`,
      ),
    );
  });

  test("an identity token is sent by POST, and nothing else with it", async () => {
    await using server = await startScriptedServer(tokenScript());
    using client = open();
    await client.tags(at(server.host), { credentials: { identityToken: "refresh" } });
    const asked = server.requests.find(({ path }) => path === "/token");
    assert.equal(asked?.method, "POST");
    assert.deepEqual(Object.fromEntries(new URLSearchParams(asked?.body)), {
      grant_type: "refresh_token",
      refresh_token: "refresh",
      client_id: "ply",
      service: "s",
      scope: "repository:a/b:pull",
    });
  });

  test("a registry token is used as it is", async () => {
    await using server = await startScriptedServer(tokenScript({ accepts: (token) => token === "ready" }));
    using client = open();
    await client.tags(at(server.host), { credentials: { registryToken: "ready" } });
    assert.equal(
      (await failure(client.tags(at(server.host), { credentials: { registryToken: "old" } }))).kind,
      "denied",
    );
    assert.ok(!server.requests.some(({ path }) => path.startsWith("/token")));
  });

  test("a realm in the clear elsewhere gets nothing", async () => {
    await using server = await startScriptedServer(tokenScript({ realm: "http://tokens.example/token" }));
    using client = open({ credentialsFor: async () => ({ username: "u", password: "p" }) });
    const error = await failure(client.tags(at(server.host)));
    assert.equal(error.kind, "invalid");
    assert.match(error.message, /not encrypted/);
  });

  for (const token of ['"a\\r\\nX: y"', '""', "1", `"${"x".repeat(70_000)}"`])
    test(`a token like ${token.slice(0, 12)} is refused`, async () => {
      const script = tokenScript();
      await using server = await startScriptedServer((request, host) =>
        request.path.startsWith("/token")
          ? { headers: JSON_TYPE, body: `{"token":${token}}` }
          : script(request, host),
      );
      using client = open();
      assert.match((await failure(client.tags(at(server.host)))).message, /without a usable token/);
    });
});

test("basic auth goes out only after it was asked for, with the caller's credentials first", async () => {
  const header = `Basic ${Buffer.from("u:p").toString("base64")}`;
  await using server = await startScriptedServer(({ headers }) =>
    headers.authorization === header
      ? json({ tags: null })
      : { status: 401, headers: { "WWW-Authenticate": 'Basic realm="x"' } },
  );
  using client = open({ credentialsFor: async () => ({ username: "other", password: "x" }) });
  assert.deepEqual(await client.tags(at(server.host), { credentials: { username: "u", password: "p" } }), []);
  assert.equal(server.requests[0]?.headers.authorization, undefined);
  assert.equal((await failure(client.tags(at(server.host)))).kind, "denied");
});

test("the credentials given for a registry are not shown to its mirrors", async () => {
  const script = (): ScriptedAnswer => ({ status: 401, headers: { "WWW-Authenticate": 'Basic realm="x"' } });
  await using mirror = await startScriptedServer(script);
  await using moved = await startScriptedServer(script);
  using client = open({
    rules: [{ prefix: "docker.io", mirrors: [`http://${mirror.host}`], location: moved.host }],
  });
  await failure(
    client.fetchManifest(parseReference("nginx:1"), { credentials: { username: "u", password: "p" } }),
  );
  const all = [...mirror.requests, ...moved.requests];
  assert.ok(all.length >= 4);
  assert.deepEqual(
    all.filter(({ headers }) => headers.authorization !== undefined),
    [],
  );
});

describe("retries", () => {
  test("429 and 5xx pass when they pass", async () => {
    const statuses = [429, 503];
    await using server = await startScriptedServer(({ path }) => {
      if (path === "/v2/") return undefined;
      const status = statuses.shift();
      return status === undefined ? json({ tags: ["x"] }) : { status, headers: { "Retry-After": "0" } };
    });
    using client = open();
    assert.deepEqual(await client.tags(at(server.host)), ["x"]);
  });

  test("a rate limit of an hour is told at once", async () => {
    await using server = await startScriptedServer(({ path }) =>
      path === "/v2/"
        ? undefined
        : {
            ...json(
              { errors: [{ code: "TOOMANYREQUESTS", message: "You have reached your pull rate limit" }] },
              { "Retry-After": "3600" },
            ),
            status: 429,
          },
    );
    using client = open();
    const error = await failure(client.tags(at(server.host)));
    assert.equal(error.kind, "unavailable");
    assert.match(error.message, /toomanyrequests: You have reached your pull rate limit/);
    assert.match(error.hint ?? "", /wait 3600 s/);
    assert.equal(server.requests.length, 2);
  });
});

describe("what is no registry", () => {
  const cases: [what: string, answer: ScriptedAnswer, message: RegExp][] = [
    ["a web page", { headers: { "Content-Type": "text/html" }, body: "<html>" }, /is no registry.*web page/],
    ["a 404", { status: 404 }, /is no registry: it answered \/v2\/ with status 404/],
    [
      "another version",
      { headers: { "Docker-Distribution-Api-Version": "registry/1.0" } },
      /speaks "registry\/1.0"/,
    ],
    ["a login page", { status: 401 }, /is no registry/],
  ];
  for (const [what, answer, message] of cases)
    test(what, async () => {
      await using server = await startScriptedServer(() => answer);
      using client = open();
      assert.match((await failure(client.tags(at(server.host)))).message, message);
    });

  test("nobody there: said at once, of the port that was asked for", async () => {
    const closed = await startScriptedServer(() => undefined);
    await closed[Symbol.asyncDispose]();
    using client = open();
    const error = await failure(client.tags(at(closed.host)));
    assert.equal(error.kind, "unavailable");
    assert.ok(error.message.startsWith(`cannot connect to ${closed.host}`), error.message);
  });
});

describe("errors of a registry", () => {
  const answers: [what: string, answer: ScriptedAnswer, kind: string, message: RegExp][] = [
    [
      "its own words, in Docker's form",
      {
        ...json({ errors: [{ code: "MANIFEST_UNKNOWN", message: "manifest unknown", detail: {} }] }),
        status: 404,
      },
      "not-found",
      /^manifest HOST\/a\/b:1: manifest unknown: manifest unknown$/,
    ],
    [
      "control characters and length are cut",
      {
        ...json({ errors: [{ code: "DENIED", message: `\u001b[31mred\n${"x".repeat(1000)}` }] }),
        status: 403,
      },
      "denied",
      /^manifest HOST\/a\/b:1: denied: {2}\[31mred x{4}/,
    ],
    [
      "huge bodies are not read",
      { status: 400, body: "x".repeat(1_000_000) },
      "invalid",
      /answered with status 400$/,
    ],
    [
      "pages",
      { status: 403, headers: { "Content-Type": "text/html" }, body: "<h1>" },
      "denied",
      /with a web page/,
    ],
    ["nonsense", { ...json({ errors: "no" }), status: 404 }, "not-found", /answered 404 \(not found\)$/],
  ];
  for (const [what, answer, kind, message] of answers)
    test(what, async () => {
      await using server = await startScriptedServer(({ path }) => (path === "/v2/" ? undefined : answer));
      using client = open();
      const error = await failure(client.fetchManifest(at(server.host)));
      assert.equal(error.kind, kind);
      assert.match(error.message.replaceAll(server.host, "HOST"), message);
      assert.equal(error.details["status"], answer.status);
      assert.ok(error.message.length < 700);
    });
});

describe("manifests", () => {
  const fetchFrom = async (answer: ScriptedAnswer, name?: string): Promise<PlyError> => {
    await using server = await startScriptedServer(({ path }) => (path === "/v2/" ? undefined : answer));
    using client = open();
    return await failure(
      client.fetchManifest(name === undefined ? at(server.host) : parseReference(`${server.host}/${name}`)),
    );
  };

  test("a digest that does not fit, asked for or stated", async () => {
    const zeros = `sha256:${"0".repeat(64)}`;
    assert.equal((await fetchFrom(json({}), `a@${zeros}`)).kind, "corrupt");
    assert.equal((await fetchFrom(json({}, { "Docker-Content-Digest": zeros }))).kind, "corrupt");
  });

  test("50 MB, a web page, and schema 1", async () => {
    assert.equal((await fetchFrom({ body: Buffer.alloc(50_000_000, 0x20) })).kind, "limit");
    const page = { headers: { "Content-Type": "text/html; charset=utf-8" }, body: "<html>" };
    assert.match((await fetchFrom(page)).message, /answered with a web page/);
    const old = json(
      { schemaVersion: 1 },
      { "Content-Type": "application/vnd.docker.distribution.manifest.v1+prettyjws" },
    );
    assert.equal((await fetchFrom(old)).kind, "unsupported");
  });
});

describe("listings", () => {
  test("follow links, and go on by name where a full page has none", async () => {
    await using server = await startScriptedServer(({ path }) => {
      if (path === "/v2/") return undefined;
      const last = new URL(path, "http://x").searchParams.get("last");
      if (path.startsWith("/v2/linked/")) {
        const next = { Link: '</v2/linked/tags/list?n=1&last=a>; rel="next"' };
        return last === null ? json({ tags: ["a"] }, next) : json({ tags: ["b"] });
      }
      const names = Array.from({ length: 1500 }, (_, i) => `t${String(i).padStart(4, "0")}`);
      const from = last === null ? 0 : names.indexOf(last) + 1;
      return json({ tags: names.slice(from, from + 1000) });
    });
    using client = open();
    assert.deepEqual(await client.tags(at(server.host, "linked")), ["a", "b"]);
    assert.equal((await client.tags(at(server.host, "full"))).length, 1500);
  });

  test("a registry that goes round in circles, or elsewhere, is left", async () => {
    await using server = await startScriptedServer(({ path }) => {
      if (path === "/v2/") return undefined;
      const host = path.includes("away") ? "http://127.0.0.1:1" : "";
      return json({ repositories: ["a"], tags: ["a"] }, { Link: `<${host}/v2/_catalog?n=1>; rel="next"` });
    });
    using client = open();
    assert.deepEqual(await client.catalog(server.host), ["a"]);
    assert.match((await failure(client.tags(at(server.host, "away")))).message, /next page elsewhere/);
  });
});

test("an abort ends a request that hangs", async () => {
  const abort = new AbortController();
  await using server = await startScriptedServer(({ path }) => {
    if (path === "/v2/") return undefined;
    abort.abort();
    return { headers: { "Content-Length": "10" }, body: "1" };
  });
  using client = open();
  assert.equal((await failure(client.tags(at(server.host), { signal: abort.signal }))).kind, "cancelled");
});
