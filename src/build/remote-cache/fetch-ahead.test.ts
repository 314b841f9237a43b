import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PlyError } from "../../error.ts";
import { type DiffId, digestOf } from "../../oci/index.ts";
import type { LayerRecord } from "../../store/index.ts";
import { createFetchAhead } from "./fetch-ahead.ts";

const IDS = ["a", "b", "c", "d", "e"].map((text) => digestOf(text) as DiffId);
const nameOf = (diffId: DiffId): string => "abcde"[IDS.indexOf(diffId)] ?? "?";

/** Fetches that end when they are told to, or when they are stopped. */
function world() {
  const log: string[] = [];
  const finish = new Map<string, () => void>();
  const ahead = createFetchAhead(
    IDS,
    (diffId, signal) =>
      new Promise((resolve, reject) => {
        const name = nameOf(diffId);
        log.push(`begin ${name}`);
        signal.addEventListener("abort", () => {
          log.push(`stop ${name}`);
          reject(new PlyError("cancelled", "stopped"));
        });
        finish.set(name, () => resolve({ diffId } as LayerRecord));
      }),
    new AbortController().signal,
  );
  return { log, finish, ahead };
}

describe("layers fetched ahead", () => {
  test("the next ones are on their way, each once", async () => {
    const { log, finish, ahead } = world();
    const first = ahead.take(IDS[0] as DiffId);
    assert.deepEqual(log, ["begin a", "begin b", "begin c"]);
    finish.get("a")?.();
    assert.equal((await first).diffId, IDS[0]);
    const second = ahead.take(IDS[1] as DiffId);
    assert.deepEqual(log.slice(3), ["begin d"]);
    finish.get("b")?.();
    await second;
    await ahead[Symbol.asyncDispose]();
    assert.deepEqual(log.slice(4), ["stop c", "stop d"]);
  });

  test("what nobody asked for is stopped, and begun anew when somebody does", async () => {
    const { log, finish, ahead } = world();
    const first = ahead.take(IDS[0] as DiffId);
    ahead.stop();
    assert.deepEqual(log, ["begin a", "begin b", "begin c", "stop b", "stop c"]);
    finish.get("a")?.();
    await first;
    const last = ahead.take(IDS[4] as DiffId);
    finish.get("e")?.();
    await last;
    const again = ahead.take(IDS[1] as DiffId);
    finish.get("b")?.();
    assert.equal((await again).diffId, IDS[1]);
    await ahead[Symbol.asyncDispose]();
  });
});
