import type { BuildOptions } from "../../../build/index.ts";
import type { BuildkitSession } from "../session/session.ts";
import { fullName } from "./exporter-response.ts";
import { CACHE_ONLY } from "./exporters.ts";
import type { Order } from "./order.ts";
import { counted, type Work, type Works } from "./vertexes.ts";

/** What clients read while a result is handed over. */
const TITLES: Readonly<Record<string, string>> = {
  docker: "exporting to docker image format",
  oci: "exporting to oci image format",
  local: "exporting to client directory",
  tar: "exporting to client tarball",
};
const IMAGE = "exporting to image";

export interface Exporting {
  /** What is told of the hand-over; it begins when it is first asked for. */
  readonly work: () => Work;
  /** Sends an output to the client. */
  readonly take: NonNullable<BuildOptions["take"]>;
  /** The result is where it should be. */
  done(imageId: string): void;
}

/** Hands results over, and tells of it. */
export function createExporting(
  { exporters }: Order,
  {
    works,
    session,
    signal,
  }: { readonly works: Works; readonly session: BuildkitSession; readonly signal: AbortSignal },
): Exporting {
  const [first] = exporters;
  let begun: Work | undefined;
  const work = (): Work => (begun ??= works.begin(TITLES[first?.type ?? ""] ?? IMAGE));
  return {
    work,
    async take(exporter, content) {
      const isDirectory = exporters[exporter]?.type === "local";
      const bytes = counted(work(), isDirectory ? "copying files" : "sending tarball", content);
      const options = { exporter, signal };
      await (isDirectory ? session.sendDirectory(bytes, options) : session.sendFile(bytes, options));
    },
    done(imageId) {
      if (first === undefined || first.type === CACHE_ONLY) return;
      const images = exporters.filter(({ type }) => type === "moby" || type === "image");
      if (images.length > 0) {
        work().status("exporting layers");
        work().status(`writing image ${imageId}`);
      }
      for (const { attributes } of images)
        for (const name of (attributes.get("name") ?? "").split(",").filter(Boolean))
          work().status(`naming to ${fullName(name)}`);
      work().done();
    },
  };
}
