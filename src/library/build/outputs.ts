import { mergeLayout, NEW_INDEX } from "../../build-request/index.ts";
import { writeFileWhole } from "../../host-file.ts";
import type { PlyBuildOutput } from "../../wire/index.ts";
import type { BuildOptions, BuildOutput } from "./options.ts";
import { unpackInto } from "./unpack.ts";

/** What takes the bytes of an output; undefined where the engine has all to do. */
export type Sink = (bytes: AsyncIterable<Uint8Array>) => void | Promise<void>;

export function outputOf(output: BuildOutput, { platforms = [] }: BuildOptions): PlyBuildOutput {
  if (output.type === "files")
    return { kind: "files", isSplit: output.splitPlatforms ?? platforms.length > 1 };
  const { names, form } = output;
  const own = {
    ...(names === undefined ? {} : { names }),
    ...(form === undefined ? {} : { form }),
  };
  if (output.type === "image") {
    const { push = false, store = true } = output;
    return {
      kind: "image",
      isStored: store,
      ...(push === false ? {} : { push: push === true ? "name" : push }),
      ...own,
    };
  }
  // What goes to registries is compressed there anyway.
  const usual = output.type === "oci" ? { form: { compression: "gzip" } as const } : {};
  return { kind: "archive", format: output.type, ...usual, ...own };
}

export function sinkOf(output: BuildOutput): Sink | undefined {
  if (output.type === "image") return undefined;
  const { to, type } = output;
  if (typeof to === "function") return to;
  if ("file" in to) return (bytes) => writeFileWhole(to.file, bytes);
  if (type === "files") return (bytes) => unpackInto(to.directory, bytes);
  return async (bytes) => {
    // What it says is not there yet.
    await unpackInto(to.directory, bytes, (path) => (path === "index.json" ? NEW_INDEX : path));
    await mergeLayout(to.directory);
  };
}
