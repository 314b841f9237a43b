import {
  type Descriptor,
  type Digest,
  digestOf,
  encodeJson,
  familiarName,
  formatPlatform,
  hexOf,
  type Platform,
  type Reference,
} from "../oci/index.ts";
import type { FetchedManifest } from "../registry/index.ts";
import { descriptorOf, manifestOver } from "./compose.ts";

/** Something said about an image: the predicate of an in-toto statement. */
export interface Attestation {
  readonly predicateType: string;
  readonly predicate: object;
}

/** What is said about an image, as Docker keeps it: a manifest of its own beside the image's in the index. */
export interface AttestationManifest {
  readonly manifest: FetchedManifest;
  /** As the index names it. */
  readonly descriptor: Descriptor;
  /** Config and statements. */
  readonly blobs: readonly { readonly digest: Digest; readonly bytes: Uint8Array }[];
}

const STATEMENT_TYPE = "https://in-toto.io/Statement/v0.1";
const IN_TOTO = "application/vnd.in-toto+json";
const UNKNOWN: Platform = { architecture: "unknown", os: "unknown" };

/** Puts statements about the image of this manifest together (BuildKit's attestation storage, docs/attestations). */
export function attest(
  image: Descriptor,
  about: {
    readonly names: readonly Reference[];
    readonly platform: Platform;
    readonly attestations: readonly Attestation[];
  },
): AttestationManifest {
  const subject = subjectsOf(image.digest, about.names, about.platform);
  const statements = about.attestations.map(({ predicateType, predicate }) => {
    const bytes = encodeJson({ _type: STATEMENT_TYPE, predicateType, subject, predicate });
    return { predicateType, bytes, digest: digestOf(bytes) };
  });
  const config = encodeJson({
    ...UNKNOWN,
    config: {},
    rootfs: { type: "layers", diff_ids: statements.map(({ digest }) => digest) },
  });
  const id = digestOf(config);
  const manifest = manifestOver(
    { id },
    {
      config: config.length,
      descriptors: statements.map(({ predicateType, digest, bytes }) => ({
        mediaType: IN_TOTO,
        digest,
        size: bytes.length,
        annotations: { "in-toto.io/predicate-type": predicateType },
      })),
      family: "oci",
      annotations: undefined,
    },
  );
  const annotations = {
    "vnd.docker.reference.digest": image.digest,
    "vnd.docker.reference.type": "attestation-manifest",
  };
  return {
    manifest,
    descriptor: { ...descriptorOf(manifest), annotations, platform: UNKNOWN },
    blobs: [{ digest: id, bytes: config }, ...statements],
  };
}

/** The image under each of its names; `_` for one that has none. */
function subjectsOf(digest: Digest, names: readonly Reference[], platform: Platform): object[] {
  const all = names.length === 0 ? ["_"] : names.map((name) => packageUrl(name, platform));
  return all.map((name) => ({ name, digest: { sha256: hexOf(digest) } }));
}

/** `pkg:docker/NAME@TAG?platform=OS%2FARCH` (package-url types, docker). */
export function packageUrl(name: Reference, platform: Platform): string {
  const path = familiarName(name).split("/").map(encodeURIComponent).join("/");
  const version = name.digest ?? name.tag;
  const at = version === undefined ? "" : `@${encodeURIComponent(version)}`;
  return `pkg:docker/${path}${at}?platform=${encodeURIComponent(formatPlatform(platform))}`;
}
