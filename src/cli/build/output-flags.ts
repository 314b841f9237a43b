import type { FlagSpecs } from "../flags.ts";

/** What says what becomes of a build. */
export const OUTPUT_FLAGS = {
  annotation: {
    kind: "list",
    value: "[TYPE:]KEY=VALUE",
    help: "Annotation for the image (TYPE: manifest, index, manifest-descriptor, index-descriptor)",
  },
  attest: { kind: "list", value: "type=provenance[,mode=MODE]", help: "As --provenance=[mode=MODE]" },
  iidfile: { kind: "string", value: "FILE", help: "Write the image's id there", complete: "file" },
  layers: {
    kind: "string",
    value: "BOOL",
    default: "true",
    choices: ["true", "false"],
    help: "false: one layer for all steps, none from the cache (as podman)",
  },
  load: { kind: "bool", help: "Put the image into the engine's list, also with --push or --output" },
  "metadata-file": {
    kind: "string",
    value: "FILE",
    help: "Write what was made there, as JSON: digests, descriptor, names",
    complete: "file",
  },
  output: {
    kind: "list",
    short: "o",
    value: "DIR|-|type=TYPE[,KEY=VALUE]",
    help: "What to make of it: image, registry, oci, docker, local, tar, cacheonly",
    complete: "directory",
  },
  provenance: {
    kind: "string",
    value: "true|mode=min|mode=max",
    help: "Say beside what is pushed or written as OCI how it was built (SLSA)",
  },
  push: { kind: "bool", help: "Push the image under its names" },
  sbom: { kind: "string", value: "false", help: "Accepted for scripts: there is none" },
  squash: { kind: "bool", help: "Make one layer of those that this build adds" },
  "squash-all": { kind: "bool", help: "Make one layer of all, the base image's too" },
} as const satisfies FlagSpecs;
