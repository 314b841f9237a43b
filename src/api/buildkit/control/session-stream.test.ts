import assert from "node:assert/strict";
import { test } from "node:test";
import { connectGrpc, message, method, serveGrpc, serveOne, text } from "../../../grpc/index.ts";
import { socketOver } from "./session-stream.ts";

const word = message({ word: text(1) });
const echo = method("/test.Echo/Echo", word, word);

test("a connection within two streams of messages carries calls, and ends with them", async () => {
  const there = Promise.withResolvers<AsyncIterable<{ readonly data: Uint8Array }>>();
  const late = (async function* () {
    yield* await there.promise;
  })();
  const here = socketOver(late);
  const other = socketOver(here.messages);
  there.resolve(other.messages);
  const served = serveGrpc(other.socket, [serveOne(echo, ({ word: said }) => ({ word: said.repeat(2) }))]);
  const connection = connectGrpc(here.socket);
  assert.equal((await connection.ask(echo, { word: "long ".repeat(100_000) })).word.length, 1_000_000);
  assert.equal((await connection.ask(echo, { word: "again" })).word, "againagain");
  connection.close();
  await connection.closed;
  await served;
});
