import { PlyError } from "../error.ts";
import { readText } from "../host-file.ts";
import type { IdMap, IdRange } from "../linux/index.ts";

/** Ids of the host that a user may hand on: a line of subuid(5) or subgid(5). */
export interface SubordinateRange {
  readonly start: number;
  readonly size: number;
}

export interface SubordinateFiles {
  readonly passwd: string;
  readonly group: string;
  readonly subuid: string;
  readonly subgid: string;
}

const FILES: SubordinateFiles = {
  passwd: "/etc/passwd",
  group: "/etc/group",
  subuid: "/etc/subuid",
  subgid: "/etc/subgid",
};
/** The kernel takes this many lines in a map (user_namespaces(7)); one is overlayfs's. */
const RANGE_LIMIT = 339;

/**
 * The map of `user` or `user:group`, names or numbers, as Docker's userns-remap has it: the user's ranges of /etc/subuid and the
 * group's of /etc/subgid, one after the other from 0 on. Throws "invalid" in Docker's words.
 */
export function subordinateMap(owner: string, files: SubordinateFiles = FILES): IdMap {
  const [user = "", group = user] = owner.split(":");
  // One after the other: of two that are missing, the first is told.
  const uids = rangesOf(user, files.subuid, files.passwd, "subuid");
  const gids = rangesOf(group, files.subgid, files.group, "subgid");
  return { uids: inOrder(uids), gids: inOrder(gids) };
}

/** What /etc/subuid and /etc/subgid give to a name, or to the number it stands for. Empty: nothing. */
export function subordinateRanges(
  name: string,
  files: SubordinateFiles = FILES,
): { readonly uids: SubordinateRange[]; readonly gids: SubordinateRange[] } {
  return { uids: readRanges(files.subuid, [name]), gids: readRanges(files.subgid, [name]) };
}

function rangesOf(owner: string, file: string, names: string, kind: string): SubordinateRange[] {
  const rows = readText(names)
    .split("\n")
    .map((line) => line.split(":"));
  const row = rows.find(([name]) => name === owner) ?? rows.find(([, , id]) => id === owner);
  const ranges = readRanges(file, [owner, row?.[0], row?.[2]]);
  if (ranges.length > 0) return ranges;
  throw new PlyError("invalid", `no ${kind} ranges found for user ${JSON.stringify(owner)} in ${file}`, {
    hint: `echo ${owner}:100000:65536 >> ${file}`,
  });
}

function readRanges(file: string, owners: readonly (string | undefined)[]): SubordinateRange[] {
  return readText(file)
    .split("\n")
    .map((line) => /^([^:#]+):(\d{1,10}):(\d{1,10})$/.exec(line.trim()))
    .flatMap((match) => {
      if (match === null || !owners.includes(match[1])) return [];
      const [start, size] = [Number(match[2]), Number(match[3])];
      return size > 0 && start > 0 && start + size <= 2 ** 32 - 2 ? [{ start, size }] : [];
    });
}

function inOrder(ranges: readonly SubordinateRange[]): IdRange[] {
  let inside = 0;
  return ranges.slice(0, RANGE_LIMIT).map(({ start, size }) => {
    const range = { inside, outside: start, size };
    inside += size;
    return range;
  });
}
