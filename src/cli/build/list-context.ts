import { type ContextPath, type PreparedBuild, walkContext } from "../../build-request/index.ts";
import { formatSize } from "../../byte-size.ts";
import { UsageError } from "../failure.ts";
import { type Column, lines, listing, type Output } from "../output/index.ts";

const COLUMNS: readonly Column<ContextPath>[] = [
  { name: "Path", heading: "PATH", value: nameOf },
  { name: "Kind", heading: "KIND", value: ({ kind }) => kind },
  { name: "Size", heading: "SIZE", value: (entry) => (entry.kind === "file" ? formatSize(entry.size) : "") },
  { name: "Bytes", heading: "BYTES", value: ({ size }) => String(size) },
  { name: "Included", heading: "INCLUDED", value: ({ leftOutBy }) => String(leftOutBy === undefined) },
  { name: "Rule", heading: "LEFT OUT BY", value: ({ leftOutBy = "" }) => leftOutBy },
];

/** `--list-context`: what a build would see, what it weighs, and which rule leaves out what. */
export function listContext({ main }: PreparedBuild, format: string | undefined): Output {
  if (!("directory" in main)) throw new UsageError("--list-context needs a directory");
  const entries = [...walkContext(main.directory, main.ignore)];
  if (format !== undefined)
    return listing({ columns: COLUMNS, rows: entries, shown: ["Path", "Size", "Rule"], format });
  const seen = entries.filter(({ leftOutBy }) => leftOutBy === undefined);
  const count = seen.filter(({ kind }) => kind !== "directory").length;
  const bytes = seen.reduce((sum, { size }) => sum + size, 0);
  const rows = entries.map((entry) => {
    const { kind, size, leftOutBy } = entry;
    if (leftOutBy !== undefined) return `${"-".padStart(10)}  ${nameOf(entry)}  left out by ${leftOutBy}`;
    return `${(kind === "file" ? formatSize(size) : "").padStart(10)}  ${nameOf(entry)}`;
  });
  return lines(...rows, `${formatSize(bytes).padStart(10)}  in ${count} files`);
}

function nameOf({ path, kind }: ContextPath): string {
  return kind === "directory" ? `${path}/` : path;
}
