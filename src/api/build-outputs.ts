import type { BuildAnnotation, BuildOptions, BuildOutput } from "../build/index.ts";
import { PlyError, throwIfAborted } from "../error.ts";
import { parsePlatform, parseReference, type Reference, withDefaultTag } from "../oci/index.ts";
import type { PlyBuildAnnotation, PlyBuildMessage, PlyBuildOutput, PlyBuildRequest } from "../wire/index.ts";
import { drained, type Exchange } from "./exchange.ts";
import type { LineStream } from "./line-stream.ts";

/** What a request says of the result. Throws "invalid". */
export function outputOptions(
  request: Omit<PlyBuildRequest, "context" | "dockerfile">,
): Pick<BuildOptions, "outputs" | "squash" | "annotations" | "provenance"> {
  const { outputs, squash, annotations, provenance, names = [] } = request;
  if (provenance !== undefined && provenance !== "min" && provenance !== "max")
    throw new PlyError("invalid", `invalid provenance: ${JSON.stringify(provenance)}`);
  if (squash !== undefined && squash !== "own" && squash !== "all")
    throw new PlyError("invalid", `invalid squash: ${JSON.stringify(squash)}`);
  return {
    ...(outputs === undefined ? {} : { outputs: outputs.map((output) => outputOf(output, names)) }),
    ...(squash === undefined ? {} : { squash }),
    ...(annotations === undefined ? {} : { annotations: annotations.map(annotationOf) }),
    ...(provenance === undefined ? {} : { provenance }),
  };
}

/** Names that images of the list are to have. */
export function storedNames({ outputs, names = [] }: Pick<PlyBuildRequest, "outputs" | "names">): string[] {
  if (outputs === undefined) return [...names];
  return outputs.flatMap((output) =>
    output.kind === "image" && output.isStored ? [...(output.names ?? names)] : [],
  );
}

function outputOf(output: PlyBuildOutput, names: readonly string[]): BuildOutput {
  switch (output.kind) {
    case "files":
      return output;
    case "image":
    case "archive":
      return { ...output, names: (output.names ?? names).map(nameOf) };
    default:
      throw new PlyError("invalid", `invalid output: ${JSON.stringify(output satisfies never)}`);
  }
}

function nameOf(name: string): Reference {
  return withDefaultTag(parseReference(name));
}

function annotationOf({ platform, ...annotation }: PlyBuildAnnotation): BuildAnnotation {
  return { ...annotation, ...(platform === undefined ? {} : { platform: parsePlatform(platform) }) };
}

/** Sends the bytes of outputs between the lines of an answer, at the client's pace. */
export function contentSender(
  { response, signal }: Exchange,
  lines: LineStream,
): NonNullable<BuildOptions["take"]> {
  const announce = (output: number, bytes: number): void =>
    lines.send({ type: "content", output, bytes } satisfies PlyBuildMessage);
  return async (output, content) => {
    for await (const chunk of content) {
      throwIfAborted(signal);
      if (chunk.length === 0) continue;
      announce(output, chunk.length);
      if (!response.write(chunk)) await drained(response, signal);
    }
    throwIfAborted(signal);
    announce(output, 0);
  };
}
