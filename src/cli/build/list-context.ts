import { type PreparedBuild, walkContext } from "../../build-request/index.ts";
import { formatSize } from "../../byte-size.ts";
import { UsageError } from "../failure.ts";
import { lines, type Output } from "../output/index.ts";

/** `--list-context`: what a build would see, what it weighs, and which rule leaves out what. */
export function listContext({ main }: PreparedBuild): Output {
  if (!("directory" in main)) throw new UsageError("--list-context needs a directory");
  let [count, bytes] = [0, 0];
  const rows: string[] = [];
  for (const { path, kind, size, leftOutBy } of walkContext(main.directory, main.ignore)) {
    const name = kind === "directory" ? `${path}/` : path;
    if (leftOutBy !== undefined) rows.push(`${"-".padStart(10)}  ${name}  left out by ${leftOutBy}`);
    else {
      count += kind === "directory" ? 0 : 1;
      bytes += size;
      rows.push(`${(kind === "file" ? formatSize(size) : "").padStart(10)}  ${name}`);
    }
  }
  return lines(...rows, `${formatSize(bytes).padStart(10)}  in ${count} files`);
}
