import { method, type ServedMethod, serve, serveOne } from "../../../grpc/index.ts";
import { offerOf } from "../session/sessions.ts";
import { pruneRecords, usageRecords } from "./cache-service.ts";
import {
  bytesMessage,
  diskUsageRequest,
  diskUsageResponse,
  empty,
  historyEvent,
  historyRequest,
  infoResponse,
  listWorkersResponse,
  pruneRequest,
  solveRequest,
  solveResponse,
  statusRequest,
  statusResponse,
  updateHistoryRequest,
  usageRecord,
} from "./control-messages.ts";
import { historyEvents } from "./history-service.ts";
import type { ControlParts } from "./parts.ts";
import { socketOver } from "./session-stream.ts";
import { solve } from "./solve.ts";
import { BUILDER_VERSION, workersOf } from "./workers.ts";

const SERVICE = "/moby.buildkit.v1.Control/";

/** What clients of BuildKit call first and last. */
export function controlService(parts: ControlParts): ServedMethod[] {
  const { builds } = parts;
  return [
    serveOne(method(`${SERVICE}ListWorkers`, empty, listWorkersResponse), () => ({
      record: workersOf(parts.engine),
    })),
    serveOne(method(`${SERVICE}Info`, empty, infoResponse), () => ({ version: BUILDER_VERSION })),
    serveOne(method(`${SERVICE}Solve`, solveRequest, solveResponse), async (request, call) => ({
      exporterResponse: await solve(parts, request, call),
    })),
    serve(method(`${SERVICE}Status`, statusRequest, statusResponse), async function* (requests, { signal }) {
      for await (const { ref } of requests) {
        const { journal } = await builds.get(ref, signal);
        yield* journal.read(signal);
      }
    }),
    serve(
      method(`${SERVICE}Session`, bytesMessage, bytesMessage),
      async function* (requests, { metadata, signal }) {
        const { socket, messages } = socketOver(requests);
        const connected = parts.sessions.connect(
          socket,
          offerOf((name) => metadata.get(name)),
          signal,
        );
        connected.catch(() => socket.destroy());
        yield* messages;
        await connected;
      },
    ),
    serveOne(method(`${SERVICE}DiskUsage`, diskUsageRequest, diskUsageResponse), async ({ filter }) => ({
      record: await usageRecords(parts, filter),
    })),
    serve(method(`${SERVICE}Prune`, pruneRequest, usageRecord), async function* (requests) {
      for await (const wish of requests) yield* pruneRecords(parts, wish);
    }),
    serve(
      method(`${SERVICE}ListenBuildHistory`, historyRequest, historyEvent),
      async function* (requests, { signal }) {
        for await (const request of requests) {
          yield* historyEvents(builds, request);
          if (!request.earlyExit) await new Promise((resolve) => signal.addEventListener("abort", resolve));
        }
      },
    ),
    serveOne(method(`${SERVICE}UpdateBuildHistory`, updateHistoryRequest, empty), (request) => {
      if (request.delete) builds.forget(request.ref);
      return {};
    }),
  ];
}
