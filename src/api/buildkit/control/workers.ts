import type { Engine } from "../../../engine.ts";
import type { Given } from "../../../grpc/index.ts";
import { acceptedPlatforms, hostPlatform } from "../../../oci/index.ts";
import { VERSION } from "../../../version.ts";
import type { workerRecord } from "./control-messages.ts";

export const BUILDER_VERSION = { package: "ply", version: VERSION, revision: "" };

/** Labels by which clients know what a builder of an engine can do. */
const LABELS = "org.mobyproject.buildkit.worker.";

/** The one worker there is. */
export function workersOf({ info, networks }: Engine): Given<typeof workerRecord>[] {
  const gateway = hostOf(networks);
  return [
    {
      id: info.id,
      labels: new Map([
        [`${LABELS}executor`, "oci"],
        [`${LABELS}hostname`, "ply"],
        ...(gateway === undefined ? [] : [[`${LABELS}moby.host-gateway-ip`, gateway] as const]),
        // To Docker's client: several platforms, outputs as archives, caches and pushes are possible.
        [`${LABELS}snapshotter`, info.storageDriver.name],
      ]),
      platforms: acceptedPlatforms(hostPlatform()),
      version: BUILDER_VERSION,
    },
  ];
}

/** The address of this host as steps of builds see it: clients put it where users write `host-gateway`. */
function hostOf(networks: Engine["networks"]): string | undefined {
  const network = networks.list().find(({ name }) => name === "bridge");
  return network?.subnets.flatMap(({ gateway }) => gateway ?? []).find((address) => !address.includes(":"));
}
