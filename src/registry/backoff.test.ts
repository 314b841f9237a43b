import assert from "node:assert/strict";
import { test } from "node:test";
import { isPlyError, PlyError } from "../error.ts";
import { parseRetryAfter, retryDelay, wait, withRetries } from "./backoff.ts";

const policy = { retries: 3, backoffMs: 1 };
const transient = (details: object = {}): PlyError =>
  new PlyError("unavailable", "later", { details: { transient: true, ...details } });

test("Retry-After in seconds and as a date", () => {
  const now = Date.UTC(2024, 0, 1);
  assert.equal(parseRetryAfter("120", now), 120_000);
  assert.equal(parseRetryAfter("Mon, 01 Jan 2024 00:00:30 GMT", now), 30_000);
  assert.equal(parseRetryAfter("Mon, 01 Jan 2020 00:00:00 GMT", now), 0);
  for (const text of ["", "soon", "-1", "1.5", "99999999999", undefined])
    assert.equal(parseRetryAfter(text, now), undefined, String(text));
});

test("waits grow, stay bounded and do what the registry asks", () => {
  const slow = { retries: 3, backoffMs: 100 };
  for (let failures = 0; failures < 4; failures++) {
    const delay = retryDelay(failures, slow, transient());
    const full = 100 * 2 ** failures;
    assert.ok(delay >= full / 2 && delay <= full);
  }
  assert.ok(retryDelay(1000, slow, transient()) <= 20_000);
  assert.equal(retryDelay(0, slow, transient({ retryAfterMs: 7 })), 7);
});

test("tries again after what may pass, and only so often", async () => {
  let tries = 0;
  const result = await withRetries(async () => {
    if (++tries < 3) throw transient();
    return "done";
  }, policy);
  assert.deepEqual([result, tries], ["done", 3]);
  tries = 0;
  await assert.rejects(
    withRetries(async () => {
      tries++;
      throw transient();
    }, policy),
    /later/,
  );
  assert.equal(tries, 4);
  tries = 0;
  await assert.rejects(
    withRetries(async () => {
      tries++;
      throw new PlyError("not-found", "never");
    }, policy),
    /never/,
  );
  assert.equal(tries, 1);
});

test("an abort ends the waiting", async () => {
  const abort = new AbortController();
  const waiting = wait(60_000, abort.signal);
  abort.abort();
  await assert.rejects(waiting, (error) => isPlyError(error, "cancelled"));
});
