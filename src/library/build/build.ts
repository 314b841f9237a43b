import {
  askAbout,
  type BuildCall,
  type BuildDoor,
  type Built,
  type Failed,
  follow,
  sendBuild,
} from "../../build-request/index.ts";
import {
  answeredError,
  encodeAuthHeader,
  type PlyBuildAnswer,
  type PlyBuildMessage,
  REGISTRY_CONFIG_HEADER,
} from "../../wire/index.ts";
import type { EngineHttp } from "../http.ts";
import { BuildError } from "./build-error.ts";
import { type BuildOptions, DOCKERFILE_FIELDS, type DockerfileOptions } from "./options.ts";
import { sinkOf } from "./outputs.ts";
import { prepareBuild } from "./prepare.ts";
import { pick, requestOf } from "./request.ts";

export type BuildWarning = Omit<Extract<PlyBuildMessage, { readonly type: "warning" }>, "type">;

/** What a build made; `descriptor` of an archive, or of what was pushed: its digest names it elsewhere. */
export type Build = Omit<Built, "type"> & {
  /** What the checks found, and what else was doubtful. */
  readonly warnings: readonly BuildWarning[];
};

/** What an error keeps of what the step printed. */
const OUTPUT_KEPT = 16 * 1024;

export async function buildImage(http: EngineHttp, options: BuildOptions): Promise<Build> {
  const { outputs = [], credentials, onProgress, signal } = options;
  const answer = await sendBuild(doorOf(http, signal), prepareBuild(options), {
    request: requestOf(options),
    headers: credentials === undefined ? {} : { [REGISTRY_CONFIG_HEADER]: encodeAuthHeader(credentials) },
  });
  const sinks = outputs.map(sinkOf);
  const heard = createListener();
  const last = await follow(
    answer,
    (message) => {
      heard.hear(message);
      onProgress?.(message);
    },
    async (output, bytes) => await sinks[output]?.(bytes),
  );
  if (last.type === "error") throw heard.failure(last);
  const { type: _type, ...built } = last;
  return { ...built, warnings: heard.warnings };
}

/** Asks about a Dockerfile, without its files and without any image. */
export function askEngine<Call extends BuildCall>(
  http: EngineHttp,
  options: DockerfileOptions,
  call: Call,
): Promise<Extract<PlyBuildAnswer, { readonly type: Call }>> {
  const request = pick(options, DOCKERFILE_FIELDS);
  return askAbout(doorOf(http, options.signal), prepareBuild(options), request, call);
}

function doorOf(http: EngineHttp, signal: AbortSignal | undefined): BuildDoor {
  return {
    isHere: "socketPath" in http.location,
    post: (headers, body) => http.bytes("POST", "/ply/build", { headers, body, signal }),
  };
}

/** Keeps what the result or the error says besides. */
function createListener() {
  const printed = new Map<number, string>();
  const warnings: BuildWarning[] = [];
  let failed: { readonly number: number; readonly text: string } | undefined;
  return {
    warnings,
    hear(message: PlyBuildMessage): void {
      if (message.type === "step" && message.state === "failed") failed = message.step;
      if (message.type === "output")
        printed.set(message.number, ((printed.get(message.number) ?? "") + message.text).slice(-OUTPUT_KEPT));
      if (message.type === "warning") {
        const { type: _type, ...warning } = message;
        warnings.push(warning);
      }
    },
    failure({ error, line, endLine, exitCode }: Failed): BuildError {
      const { kind, message, hint } = answeredError(0, error);
      return new BuildError(kind, message, {
        step: failed?.text,
        output: printed.get(failed?.number ?? -1) ?? "",
        line,
        endLine,
        exitCode,
        hint,
      });
    },
  };
}
