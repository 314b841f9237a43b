import type { DockerSearchResult } from "../../wire/index.ts";
import { command } from "../command.ts";
import { registryConfigHeaders } from "../credentials.ts";
import { UsageError } from "../failure.ts";
import { listing, printable, truncate } from "../output/index.ts";
import { FILTER_FLAG, filtersParameter, parseFilters } from "./filter-flag.ts";
import { LIST_FORMAT_FLAG } from "./format-flag.ts";

const DEFAULT_LIMIT = 25;
const MAX_LIMIT = 100;
const DESCRIPTION_COLUMNS = 45;

export default command({
  args: { usage: "TERM", min: 1, max: 1 },
  flags: {
    filter: FILTER_FLAG,
    format: LIST_FORMAT_FLAG,
    limit: { kind: "int", value: "N", default: DEFAULT_LIMIT, help: "At most so many, up to 100" },
    "no-trunc": { kind: "bool", help: "Show descriptions in full" },
  },
  description:
    "Searches Docker Hub; with a host in front, the names of the repositories of that registry. Filters: is-official=true|false, stars=N. Template fields: .Name .Description .StarCount .IsOfficial",
  examples: [
    ["ply search nginx", "on Docker Hub"],
    ["ply search localhost:5000/app", "repositories of a registry with app in their names"],
  ],
  async run({ engine, env }, flags, [term = ""]) {
    const { limit } = flags;
    if (limit < 1 || limit > MAX_LIMIT)
      throw new UsageError(`invalid argument "${limit}" for "--limit" flag: not between 1 and ${MAX_LIMIT}`);
    // A term is no name; what is before its slash may be a registry's.
    const host = /^([^/\s]*[.:][^/\s]*|localhost)\//.exec(term)?.[1];
    const results = await engine.json<DockerSearchResult[]>("GET", "/images/search", {
      query: {
        term,
        limit: String(limit),
        filters: filtersParameter(parseFilters(flags.filter, Date.now())),
      },
      headers: host === undefined ? {} : await registryConfigHeaders([`${host}/any`], env),
    });
    return listing({
      columns: [
        { name: "Name", heading: "NAME", value: (found) => printable(found.name) },
        {
          name: "Description",
          heading: "DESCRIPTION",
          value: ({ description }) => {
            const line = printable(description.replace(/\s+/g, " ").trim());
            return flags["no-trunc"] ? line : truncate(line, DESCRIPTION_COLUMNS);
          },
        },
        { name: "StarCount", heading: "STARS", value: (found) => String(found.star_count) },
        { name: "IsOfficial", heading: "OFFICIAL", value: (found) => (found.is_official ? "[OK]" : "") },
      ],
      rows: results,
      shown: ["Name", "Description", "StarCount", "IsOfficial"],
      format: flags.format,
    });
  },
});
