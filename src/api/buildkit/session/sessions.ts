import { join } from "node:path";
import type { Duplex } from "node:stream";
import { PlyError } from "../../../error.ts";
import { connectGrpc } from "../../../grpc/index.ts";
import type { UpgradeContext } from "../../service.ts";
import { upgradeToH2c } from "../../upgrade.ts";
import { createArrivals } from "../arrivals.ts";
import { sessionOver } from "./client.ts";
import { createKnownFiles } from "./known-files.ts";
import type { BuildkitSession, BuildkitSessions } from "./session.ts";

/** A client on another machine that lost its network is noticed after some of these. */
const KEEP_ALIVE_MS = 10_000;

const ID = "x-docker-expose-session-uuid";
const SHARED_KEY = "x-docker-expose-session-sharedkey";
const METHODS = "x-docker-expose-session-grpc-method";

/** What a client says of its session. */
export interface SessionOffer {
  readonly id: string;
  readonly sharedKey: string;
  /** Paths of the methods that it answers. */
  readonly methods: readonly string[];
}

export interface OpenSessions extends BuildkitSessions {
  /** A client's `POST /session`, upgraded to HTTP/2 of which the engine is the client; resolves when it has ended. */
  serve(context: UpgradeContext): Promise<void>;
  /** The same on a connection that speaks HTTP/2 already. Throws "conflict" for an id that is taken. */
  connect(socket: Duplex, offer: SessionOffer, closing: AbortSignal): Promise<void>;
}

/** `runRoot`: the engine's own directory for what is gone after a reboot. */
export function createSessions({ runRoot }: { readonly runRoot: string }): OpenSessions {
  const sessions = new Map<string, BuildkitSession>();
  const known = createKnownFiles();
  const arrivals = createArrivals();
  const check = (id: string): void => {
    if (id === "") throw new PlyError("invalid", "the session has no id");
    if (sessions.has(id)) throw new PlyError("conflict", `session ${id} already exists`);
  };
  const connect: OpenSessions["connect"] = async (socket, offer, closing) => {
    check(offer.id);
    const ended = new AbortController();
    const connection = connectGrpc(socket);
    const cut = () => connection.close();
    closing.addEventListener("abort", cut);
    if (closing.aborted) cut();
    sessions.set(
      offer.id,
      sessionOver({
        ...offer,
        connection,
        closed: ended.signal,
        // What builds have there goes with an engine that starts.
        agentDirectory: join(runRoot, "build"),
        known,
      }),
    );
    arrivals.announce();
    await connection.closed;
    closing.removeEventListener("abort", cut);
    sessions.delete(offer.id);
    ended.abort(new PlyError("cancelled", "the client's session has ended"));
  };
  return {
    connect,
    async serve(context) {
      const { request, socket, closing } = context;
      const { headers } = request;
      const offer = offerOf((name) => headers[name]);
      check(offer.id);
      upgradeToH2c(context);
      request.socket.setKeepAlive(true, KEEP_ALIVE_MS);
      await connect(socket, offer, closing);
    },
    get(name, { signal } = {}) {
      // `NAME:ID` names a directory of the session's.
      const id = /^[^:]*:(.+)$/.exec(name)?.[1] ?? name;
      const missing = () =>
        new PlyError("not-found", `no active session for ${id}: context deadline exceeded`);
      return arrivals.wait(() => sessions.get(id), { missing, signal });
    },
  };
}

/** Reads what the headers of a session say. */
export function offerOf(header: (name: string) => string | readonly string[] | undefined): SessionOffer {
  const all = (name: string): string[] => [header(name) ?? []].flat();
  return {
    id: all(ID)[0] ?? "",
    sharedKey: all(SHARED_KEY)[0] ?? "",
    methods: all(METHODS).flatMap((names) => names.split(/\s*,\s*/)),
  };
}
