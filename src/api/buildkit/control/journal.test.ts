import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_MESSAGE_BYTES } from "../../../grpc/index.ts";
import { statusResponse } from "./control-messages.ts";
import { createJournal, type Status } from "./journal.ts";
import { createWorks } from "./vertexes.ts";

const read = async (journal: ReturnType<typeof createJournal>): Promise<Status[]> => {
  const pages: Status[] = [];
  for await (const page of journal.read(new AbortController().signal)) pages.push(page);
  return pages;
};

test("what is told before a read comes together, of a status only the last; times never stand still", async () => {
  const journal = createJournal();
  const works = createWorks("ref", journal, () => 1000);
  const [one, two] = [works.begin("one"), works.begin("two")];
  for (const current of [1, 2, 3]) one.status("bytes", { current });
  one.log("stderr", Buffer.from("said"));
  one.done({ isCached: true });
  one.fail("too late");
  works.failAll("context canceled");
  journal.close();
  journal.add({ vertex: { digest: "after" } });
  const [page, ...more] = await read(journal);
  assert.deepEqual(more, []);
  assert.deepEqual(
    page?.statuses?.map(({ id, current }) => [id, current]),
    [["bytes", 3]],
  );
  assert.deepEqual(
    page?.logs?.map(({ stream, bytes }) => [stream, String(bytes)]),
    [[2, "said"]],
  );
  const vertexes = page?.vertexes ?? [];
  assert.deepEqual(
    vertexes.map(({ name, cached, error, completed }) => [name, cached, error, completed !== undefined]),
    [
      ["one", undefined, undefined, false],
      ["two", undefined, undefined, false],
      ["one", true, undefined, true],
      ["two", undefined, "context canceled", true],
    ],
  );
  assert.notDeepEqual(vertexes[0]?.started, vertexes[1]?.started);
  assert.notEqual(one.digest, two.digest);
  assert.deepEqual(works.counts, { total: 2, completed: 1, cached: 1 });
});

test("output that nobody reads is kept up to a bound", async () => {
  const journal = createJournal();
  const bytes = Buffer.alloc(1024 * 1024);
  for (let n = 0; n < 10; n++) journal.add({ log: { vertex: "v", stream: 1, bytes } });
  journal.close();
  const [page] = await read(journal);
  assert.deepEqual(
    page?.logs?.map((log) => log.bytes?.length === bytes.length),
    [true, true, true, true, false],
  );
  assert.match(String(page?.logs?.at(-1)?.bytes), /clipped/);
});

test("many small pieces of output are few enough for one message", async () => {
  const journal = createJournal();
  const vertex = `sha256:${"0".repeat(64)}`;
  const timestamp = { seconds: 1.7e9, nanos: 999_999_999 };
  for (let n = 0; n < 250_000; n++)
    journal.add({ log: { vertex, timestamp, stream: 1, bytes: Buffer.from("line\n") } });
  journal.close();
  const [page = {}] = await read(journal);
  assert.ok(statusResponse.encode(page).length < MAX_MESSAGE_BYTES);
});

test("all who wait are told of the end", async () => {
  const journal = createJournal();
  const readers = [read(journal), read(journal), read(journal)];
  await Promise.resolve();
  journal.add({ vertex: { digest: "d" } });
  journal.close();
  assert.equal((await Promise.all(readers)).flat().length, 1);
});

test("a reader waits for more, until it does not want to", async () => {
  const journal = createJournal();
  const leave = new AbortController();
  const reader = journal.read(leave.signal);
  const first = reader.next();
  journal.add({ vertex: { digest: "d" } });
  assert.equal((await first).done, false);
  const second = reader.next();
  leave.abort();
  assert.equal((await second).done, true);
});
