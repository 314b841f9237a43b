import { randomUUID } from "node:crypto";
import type { Engine } from "../../engine.ts";
import { PlyError } from "../../error.ts";
import { credentialsByHost } from "../credentials.ts";
import { bodyStream, drained, type Exchange } from "../exchange.ts";
import { openLineStream, withErrorLine } from "../line-stream.ts";
import { statusResponse } from "./control/control-messages.ts";
import { createJournal, type Journal } from "./control/journal.ts";
import { perform } from "./control/perform.ts";
import { createWorks } from "./control/vertexes.ts";
import { orderOfQuery } from "./query-order.ts";
import type { BuildkitSession, BuildkitSessions } from "./session/session.ts";

export interface PostBuildParts {
  readonly engine: Engine;
  readonly sessions: BuildkitSessions;
  readonly clock: () => number;
}

/** Where the body of the request is, for those who read contexts from their client. */
const BODY = "http://buildkit-session/body";

/**
 * `POST /build?version=2`: a build as BuildKit's clients order it, asked for in the classic API's words. The context is
 * the body or the session's; the answer is lines, with what happens as BuildKit tells it. Throws what is wrong before
 * the first line.
 */
export async function postBuild(
  exchange: Exchange,
  { engine, sessions, clock }: PostBuildParts,
): Promise<void> {
  const { query, signal } = exchange;
  const order = orderOfQuery(query, { body: BODY });
  const sessionId = query.get("session") ?? "";
  const session = await sessionWithBody(exchange, sessionId === "" ? undefined : sessions, sessionId);
  const id = query.get("buildid") || randomUUID();
  const journal = createJournal();
  const lines = openLineStream(exchange);
  const telling = tell(exchange, journal, (line) => lines.send(line));
  await withErrorLine(lines, async () => {
    const performed = await perform(order, {
      engine,
      session,
      sessionOf: (name) => sessions.get(name, { signal }),
      works: createWorks(id, journal, clock),
      owner: exchange.session,
      id,
      signal,
    }).finally(async () => {
      journal.close();
      await telling;
    });
    if (performed.kind === "built")
      lines.send({ id: "moby.image.id", aux: { ID: performed.result.imageId } });
  });
}

/** Sends what a build tells, at the client's pace. */
async function tell(
  { response, signal }: Exchange,
  journal: Journal,
  send: (line: unknown) => void,
): Promise<void> {
  for await (const status of journal.read(signal)) {
    const aux = Buffer.from(statusResponse.encode(status)).toString("base64");
    send({ id: "moby.buildkit.trace", aux });
    if (response.writableNeedDrain) await drained(response, signal);
  }
}

/** The client of the request: with what it sends, and what its session lends if it has one. */
async function sessionWithBody(
  exchange: Exchange,
  sessions: BuildkitSessions | undefined,
  id: string,
): Promise<BuildkitSession> {
  const { headers, signal } = exchange;
  const session = (await sessions?.get(id, { signal })) ?? withoutSession(signal);
  const credentials = credentialsByHost(headers);
  return {
    ...session,
    async *upload(address, options) {
      if (address === BODY) yield* bodyStream(exchange);
      else yield* session.upload(address, options);
    },
    credentialsOf: async (domain, options) =>
      credentials.get(domain) ?? (await session.credentialsOf(domain, options)),
  };
}

/** A client that has none lends nothing. */
function withoutSession(closed: AbortSignal): BuildkitSession {
  const missing = (): never => {
    throw new PlyError("invalid", "the build has no session, which this needs");
  };
  return {
    id: "",
    sharedKey: "",
    closed,
    supports: () => false,
    directory: missing,
    upload: missing,
    content: missing,
    credentialsOf: () => Promise.resolve(undefined),
    secret: () => Promise.resolve(undefined),
    agent: () => Promise.resolve(undefined),
    sendFile: () => Promise.reject(missing()),
    sendDirectory: () => Promise.reject(missing()),
  };
}
