import { PlyError } from "../error.ts";
import { buildLines } from "./build-lines.ts";
import { parseBuildRequest } from "./build-request.ts";
import { bodyStream, type Exchange, sendEmpty } from "./exchange.ts";
import { fetchOptions } from "./fetch-options.ts";
import { openLineStream, withErrorLine } from "./line-stream.ts";
import type { ApiRoute, Service } from "./service.ts";
import { claimImage, inSession } from "./session-routes.ts";

export const buildRoutes: readonly ApiRoute[] = [
  { method: "POST", path: "/build", handler: buildOfVersion },
  { method: "POST", path: "/build/cancel", handler: cancel },
];

const buildClassic = inSession(build);

/** Version 2 is BuildKit's, with its progress in the answer. */
async function buildOfVersion(exchange: Exchange, service: Service): Promise<void> {
  const version = exchange.query.get("version") ?? "";
  if (!["", "1", "2"].includes(version))
    throw new PlyError("invalid", `invalid version: ${JSON.stringify(version)}`);
  if (version === "2") await (await service.buildkit()).build(exchange);
  else await buildClassic(exchange, service);
}

/** The classic builder's API: a context in the body, lines of JSON in the answer. */
async function build(exchange: Exchange, { engine, clock }: Service): Promise<void> {
  const { dockerfileName, remote, isQuiet, ...request } = parseBuildRequest(exchange);
  const { signal } = exchange;
  await using context = await engine.builder.openContext(
    remote === "" ? { archive: bodyStream(exchange) } : { address: remote },
    { dockerfile: dockerfileName, ...fetchOptions(request), signal },
  );
  const lines = openLineStream(exchange);
  const { show, finish } = buildLines({
    send: (line) => lines.send(line),
    isBehind: () => lines.isBehind,
    clock,
    isQuiet,
    labels: request.labels ?? {},
  });
  await withErrorLine(lines, async () => {
    const { imageId, names } = await engine.builder.build({
      ...request,
      dockerfile: context.dockerfile,
      context: context.tree,
      ...(context.ignore === undefined ? {} : { ignore: context.ignore }),
      onEvent: show,
      signal,
    });
    claimImage(exchange, engine, imageId);
    finish(imageId);
    lines.send({ aux: { ID: imageId } });
    if (isQuiet) lines.send({ stream: `${imageId}\n` });
    else {
      lines.send({ stream: `Successfully built ${imageId.slice("sha256:".length).slice(0, 12)}\n` });
      for (const name of names) lines.send({ stream: `Successfully tagged ${name}\n` });
    }
  });
}

function cancel(exchange: Exchange, { engine }: Service): void {
  const id = exchange.query.get("id");
  if (id === null || id === "") throw new PlyError("invalid", "build ID not specified");
  engine.builder.cancel(id);
  sendEmpty(exchange, 204);
}
