import type { DockerImageSummary, PlyImage } from "../../wire/index.ts";
import { command } from "../command.ts";
import { formatMentions, listing } from "../output/index.ts";
import { FILTER_FLAG, type Filters, filtersParameter, parseFilters } from "./filter-flag.ts";
import { LIST_FORMAT_FLAG } from "./format-flag.ts";
import { factsOfPlyImage, factsOfSummary, imageColumns, imageRows } from "./image-rows.ts";

/** Columns only ply's own list of images can fill. */
const OWN_COLUMNS = ["UniqueSize", "SharedSize", "CompressedSize", "PulledSince", "UsedSince", "Containers"];

export default command({
  args: { usage: "[REPOSITORY[:TAG]]", min: 0, max: 1, complete: "image" },
  flags: {
    all: { kind: "bool", short: "a", help: "Show intermediate images too" },
    quiet: { kind: "bool", short: "q", help: "Only show image ids" },
    "no-trunc": { kind: "bool", help: "Show ids in full" },
    digests: { kind: "bool", help: "Show the digests that registries know the images by" },
    sizes: {
      kind: "bool",
      help: "Show what each image costs alone, what it shares, and its size in a registry",
    },
    filter: FILTER_FLAG,
    format: LIST_FORMAT_FLAG,
  },
  description:
    "Filters: dangling=true|false, label=KEY[=VALUE], reference=PATTERN, before=IMAGE, since=IMAGE, and until=TIME by the day an image was built (built-until), pulled (pulled-until) or last used (used-until). TIME is a date or a span such as 7d. Template fields: .ID .Repository .Tag .Digest .CreatedSince .CreatedAt .PulledSince .UsedSince .Size .UniqueSize .SharedSize .CompressedSize .Containers",
  examples: [
    ["ply images --sizes", "what each image costs alone and shared"],
    ["ply images --filter used-until=30d", "images nobody used for a month"],
    ["ply images --format '{{.Repository}}:{{.Tag}} {{.Size}}'", "one line of your own per name"],
  ],
  async run({ engine }, flags, [name]) {
    const nowMs = Date.now();
    const filters = imageListFilters(flags.filter, name, nowMs);
    const needsOwn =
      flags.sizes ||
      Object.keys(filters).some((each) => each.endsWith("-until")) ||
      OWN_COLUMNS.some((column) => formatMentions(flags.format, column));
    const query = { all: flags.all, filters: filtersParameter(filters), digests: flags.digests };
    const facts = needsOwn
      ? (await engine.json<PlyImage[]>("GET", "/ply/images", { query })).map(factsOfPlyImage)
      : (await engine.json<DockerImageSummary[]>("GET", "/images/json", { query })).map(factsOfSummary);
    const digests = flags.digests || formatMentions(flags.format, "Digest");
    return listing({
      columns: imageColumns({ noTrunc: flags["no-trunc"], nowMs }),
      rows: imageRows(facts, { digests }),
      shown: [
        "Repository",
        "Tag",
        ...(flags.digests ? ["Digest"] : []),
        "ID",
        "CreatedSince",
        "Size",
        ...(flags.sizes ? ["UniqueSize", "SharedSize", "CompressedSize"] : []),
      ],
      only: flags.quiet ? "ID" : undefined,
      format: flags.format,
    });
  },
});

/** `pulled-until` is the user's word for what the engine calls `arrived-until`. */
function imageListFilters(words: readonly string[], name: string | undefined, nowMs: number): Filters {
  const { "pulled-until": pulled, ...filters } = parseFilters(words, nowMs);
  return {
    ...filters,
    ...(pulled === undefined ? {} : { "arrived-until": pulled }),
    ...(name === undefined ? {} : { reference: [...(filters["reference"] ?? []), name] }),
  };
}
