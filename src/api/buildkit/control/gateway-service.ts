import { PlyError } from "../../../error.ts";
import { type CallContext, method, type ServedMethod, serveOne } from "../../../grpc/index.ts";
import type { Build } from "./builds.ts";
import { empty, rpcStatus } from "./control-messages.ts";
import {
  gatewaySolveRequest,
  gatewaySolveResponse,
  inputsResponse,
  pongResponse,
  refRequest,
  returnRequest,
  statFileResponse,
} from "./gateway-messages.ts";
import type { ControlParts } from "./parts.ts";
import { definitionOfImage } from "./result-definition.ts";
import { performOf, refuseDefinition } from "./solve.ts";
import { workersOf } from "./workers.ts";

const SERVICE = "/moby.buildkit.v1.frontend.LLBBridge/";
/** Says which build a call belongs to. */
const BUILD_ID = "buildkit-controlapi-buildid";

/** What clients ask about first: they send nothing that is not among these. */
const FRONTEND_CAPS = [
  ...["solve.base", "return", "returnmap", "statfile", "importcaches", "proto.refarray"],
  ...[
    "reference.output",
    "frontend.inputs",
    "gateway.solve.metadata",
    "frontend.caps",
    "gateway.solve.evaluate",
  ],
  ...["gateway.evaluate"],
];
const LLB_CAPS = [
  ...["source.image", "source.image.resolvemode", "source.image.checksum"],
  ...["source.local", "source.local.unique", "source.local.sessionid", "source.local.includepatterns"],
  ...["source.local.followpaths", "source.local.excludepatterns", "source.local.sharedkeyhint"],
  ...["source.git", "source.git.keepgitdir", "source.git.fullurl", "source.http", "source.http.checksum"],
  ...["exec.meta.base", "exec.meta.network", "exec.meta.security", "exec.meta.ulimit", "exec.mount.bind"],
  ...[
    "exec.mount.cache",
    "exec.mount.cache.sharing",
    "exec.mount.tmpfs",
    "exec.mount.secret",
    "exec.mount.ssh",
  ],
  ...["exec.secretenv", "file.base", "constraints", "platform", "meta.ignorecache", "meta.description"],
  ...[
    "exporter.image.annotations",
    "exporter.image.attestations",
    "exporter.sourcedateepoch",
    "exporter.multiple",
  ],
];

/** The mode bit of a directory as Go's programs have it. */
const GO_DIRECTORY = 0x8000_0000;

/** What a client that leads its build itself calls. */
export function gatewayService(parts: ControlParts): ServedMethod[] {
  const buildOf = ({ metadata, signal }: CallContext): Promise<Build> => {
    const [ref = ""] = metadata.get(BUILD_ID) ?? [];
    if (ref === "") throw new PlyError("invalid", "no buildid found in context");
    return parts.builds.get(ref, signal);
  };
  const refused = (name: string): ServedMethod =>
    serveOne(method(`${SERVICE}${name}`, empty, empty), () => {
      throw new PlyError("unsupported", `ply builds Dockerfiles: its builds have no ${name}`);
    });
  return [
    serveOne(method(`${SERVICE}Ping`, empty, pongResponse), async (_request, call) => {
      await buildOf(call);
      const caps = (ids: readonly string[]) => ids.map((id) => ({ id, enabled: true }));
      return { frontendCaps: caps(FRONTEND_CAPS), llbCaps: caps(LLB_CAPS), workers: workersOf(parts.engine) };
    }),
    serveOne(method(`${SERVICE}Solve`, gatewaySolveRequest, gatewaySolveResponse), async (request, call) => {
      const build = await buildOf(call);
      refuseDefinition(request.definition);
      const { frontend, options: attributes, inputs, cacheImports } = request;
      const signal = AbortSignal.any([build.signal, call.signal]);
      const asked = { frontend, attributes, inputs, cacheImports };
      const performed = await performOf(parts, build, asked, signal);
      if (performed.kind === "told") return { result: { metadata: performed.metadata } };
      const isOne = !(attributes.get("platform") ?? "").includes(",");
      const definition = isOne ? definitionOfImage(performed.result.imageId) : undefined;
      return { result: { ref: { id: build.ref, ...(definition === undefined ? {} : { definition }) } } };
    }),
    serveOne(method(`${SERVICE}Return`, returnRequest, empty), async ({ error }, call) => {
      const build = await buildOf(call);
      if (error === undefined || error.code === 0) build.return(undefined);
      else {
        const { code, message, details } = error;
        build.return({
          code,
          message,
          ...(details.length === 0 ? {} : { details: rpcStatus.encode(error) }),
        });
      }
      return {};
    }),
    serveOne(method(`${SERVICE}Inputs`, empty, inputsResponse), async (_request, call) => ({
      definitions: (await buildOf(call)).request.frontendInputs,
    })),
    // What was solved was built: there is nothing left to do for it.
    serveOne(method(`${SERVICE}Evaluate`, refRequest, empty), () => ({})),
    serveOne(method(`${SERVICE}StatFile`, refRequest, statFileResponse), ({ path }) => {
      if (path !== "." && path !== "/")
        throw new PlyError("unsupported", "ply does not look into results for clients of BuildKit");
      return { stat: { path, mode: GO_DIRECTORY + 0o755 } };
    }),
    ...["ReadFile", "ReadDir", "ResolveImageConfig", "ResolveSourceMeta", "NewContainer"].map(refused),
    ...["ReleaseContainer", "ExecProcess", "ReadFileContainer", "ReadDirContainer"].map(refused),
    ...["StatFileContainer", "Warn"].map(refused),
  ];
}
