import assert from "node:assert/strict";
import { test } from "node:test";
import { type AuthorizationRequest, createAuthorizer } from "./authorizer.ts";
import { parseChallenges } from "./challenge.ts";
import { endpointOfHost } from "./endpoint.ts";
import type { TransportResponse } from "./transport.ts";

/** Tokens `t1`, `t2`… from a service that answers with these fields; the clock is in milliseconds. */
function tokens(fields: (clock: number) => object) {
  const state = { clock: Date.UTC(2024, 0, 1), given: 0 };
  const authorizer = createAuthorizer(
    () =>
      async ({ url }): Promise<TransportResponse> => ({
        status: 200,
        url,
        header: () => undefined,
        async *stream() {},
        read: async () =>
          new TextEncoder().encode(JSON.stringify({ token: `t${++state.given}`, ...fields(state.clock) })),
        discard() {},
      }),
    () => state.clock,
  );
  const request: AuthorizationRequest = {
    endpoint: endpointOfHost("ghcr.io", []),
    challenges: parseChallenges('Bearer realm="https://ghcr.io/token"'),
    scopes: ["repository:a:pull"],
    credentials: undefined,
    isRefused: false,
  };
  return {
    /** The token in use after so many more seconds. */
    async after(seconds: number, isRefused = false): Promise<string | undefined> {
      state.clock += seconds * 1000;
      return (await authorizer.authorize({ ...request, isRefused })).header?.replace("Bearer ", "");
    },
  };
}

test("a token is renewed shortly before it ends", async () => {
  const { after } = tokens(() => ({ expires_in: 300 }));
  assert.equal(await after(0), "t1");
  assert.equal(await after(275), "t1");
  assert.equal(await after(10), "t2");
});

test("one without a lifetime lasts a minute, one of a second not much less", async () => {
  const silent = tokens(() => ({}));
  assert.deepEqual(
    [await silent.after(0), await silent.after(50), await silent.after(5)],
    ["t1", "t1", "t2"],
  );
  const short = tokens(() => ({ expires_in: 1 }));
  assert.deepEqual(
    [await short.after(0), await short.after(0.8), await short.after(0.15)],
    ["t1", "t1", "t2"],
  );
});

test("issued_at shortens a life when it can be true", async () => {
  const cached = tokens((clock) => ({ expires_in: 300, issued_at: new Date(clock - 200_000).toISOString() }));
  assert.deepEqual(
    [await cached.after(0), await cached.after(85), await cached.after(10)],
    ["t1", "t1", "t2"],
  );
  for (const skew of [86_400_000, -86_400_000]) {
    const skewed = tokens((clock) => ({ expires_in: 300, issued_at: new Date(clock + skew).toISOString() }));
    assert.deepEqual([await skewed.after(0), await skewed.after(200)], ["t1", "t1"]);
  }
});

test("a refusal ends a token at once", async () => {
  const { after } = tokens(() => ({ expires_in: 300 }));
  assert.deepEqual([await after(0), await after(1, true), await after(1)], ["t1", "t2", "t2"]);
});
