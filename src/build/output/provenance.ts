import { type Attestation, packageUrl, platformOf } from "../../image/index.ts";
import { canonicalName, formatPlatform, hexOf, parseReference, withDefaultTag } from "../../oci/index.ts";
import { VERSION } from "../../version.ts";
import type { Session } from "../session.ts";

const PREDICATE_TYPE = "https://slsa.dev/provenance/v1";
const BUILD_TYPE = "urn:ply:build:dockerfile:v1";

/** How the image of a session came to be (SLSA provenance v1). Undefined: nobody asked. */
export function provenanceOf(session: Session): Attestation | undefined {
  const { options, parts, platform = parts.platform, now } = session;
  if (options.provenance === undefined) return undefined;
  const { buildArgs = new Map(), target, labels = {} } = options;
  const args = options.provenance === "max" ? Object.fromEntries(buildArgs) : {};
  return {
    predicateType: PREDICATE_TYPE,
    predicate: {
      buildDefinition: {
        buildType: BUILD_TYPE,
        externalParameters: {
          configSource: { ...options.context?.fetched, path: options.dockerfile.name },
          request: {
            platform: formatPlatform(platform),
            ...(target === undefined ? {} : { target }),
            ...(options.provenance === "max" ? { args, labels } : {}),
          },
        },
        internalParameters: { builderPlatform: formatPlatform(parts.platform) },
        resolvedDependencies: dependenciesOf(session),
      },
      runDetails: {
        builder: { id: "urn:ply:engine", version: { ply: VERSION } },
        metadata: {
          invocationId: session.lease.owner.slice(session.lease.owner.indexOf(":") + 1),
          startedOn: new Date(now * 1000).toISOString(),
          finishedOn: new Date(parts.clock()).toISOString(),
        },
      },
    },
  };
}

/**
 * What it was made of: images, by the manifest that the registry has of them, else by their own ids; and what was fetched, by the
 * digests of its bytes or its commit.
 */
function dependenciesOf({ usedImages, materials, options, parts }: Session): object[] {
  const images = [...usedImages].map(([name, { id, config, digest }]) => {
    const platform = platformOf(config);
    const reference = withDefaultTag(parseReference(name));
    const prefix = `${canonicalName(reference)}@`;
    const known = parts.store.images.get(id)?.repoDigests.find((each) => each.startsWith(prefix)) ?? digest;
    return {
      uri: packageUrl(reference, platform),
      digest:
        known === undefined ? { imageId: hexOf(id) } : { sha256: known.slice(known.lastIndexOf(":") + 1) },
    };
  });
  const { fetched } = options.context ?? {};
  const addresses = fetched === undefined ? materials : new Map([[fetched.uri, fetched], ...materials]);
  return [...images, ...addresses.values()];
}
