import { PlyError } from "../error.ts";
import { readInRoot } from "./root-path.ts";

/** Far above any real passwd or group file. */
const FILE_LIMIT = 4 * 1024 * 1024;
const ID_LIMIT = 2 ** 32 - 2;

export interface ResolvedUser {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
  readonly home: string;
}

/**
 * Looks up `user`, `uid`, `user:group`, … in the image's own passwd and group, as Docker does. Numbers need
 * no entry. Throws "invalid" in Docker's words.
 */
export async function resolveUser(root: string, user: string): Promise<ResolvedUser> {
  const colon = user.indexOf(":");
  const userPart = colon < 0 ? user : user.slice(0, colon);
  const groupPart = colon < 0 ? "" : user.slice(colon + 1);
  const passwd = readInRoot(root, "/etc/passwd", FILE_LIMIT);
  const group = readInRoot(root, "/etc/group", FILE_LIMIT);
  const wanted = userPart === "" ? "0" : userPart;
  const users = rows(passwd, 4);
  const entry =
    users.find(([name]) => name === wanted) ?? users.find(([, , id]) => id === wanted && isId(wanted));
  if (entry === undefined && !isId(wanted))
    throw new PlyError("invalid", `unable to find user ${wanted}: no matching entries in passwd file`, {
      hint: "the image's /etc/passwd does not name it: give a number, or add it in a step before",
    });
  const uid = numberOf(entry?.[2] ?? wanted, wanted);
  const groups = rows(group, 3);
  if (groupPart !== "") {
    const row =
      groups.find(([name]) => name === groupPart) ??
      groups.find(([, , id]) => id === groupPart && isId(groupPart));
    if (row === undefined && !isId(groupPart))
      throw new PlyError("invalid", `unable to find group ${groupPart}: no matching entries in group file`);
    const gid = numberOf(row?.[2] ?? groupPart, groupPart);
    return { uid, gid, additionalGids: [gid], home: homeOf(entry) };
  }
  const gid = numberOf(entry?.[3] ?? "0", wanted);
  const memberships = groups
    .filter(
      ([, , id, members]) =>
        id !== undefined && isId(id) && (members ?? "").split(",").includes(entry?.[0] ?? ""),
    )
    .map(([, , id]) => Number(id));
  // The primary group too: else a process could give up its rights as a member by setgroups (CVE-2022-36109).
  const additionalGids = [...new Set(entry === undefined ? [gid] : [gid, ...memberships])];
  return { uid, gid, additionalGids, home: homeOf(entry) };
}

/** `--group-add`: names of the image's own group file, or numbers. Throws "invalid" in Docker's words. */
export async function resolveGroups(root: string, names: readonly string[]): Promise<number[]> {
  if (names.length === 0) return [];
  const groups = rows(readInRoot(root, "/etc/group", FILE_LIMIT), 3);
  return names.map((name) => {
    const row = groups.find(([known]) => known === name);
    if (row === undefined && !isId(name))
      throw new PlyError("invalid", `Unable to find group ${name}: no matching entries in group file`);
    return numberOf(row?.[2] ?? name, name);
  });
}

function rows(text: string, fields: number): string[][] {
  return text
    .split("\n")
    .map((line) => line.trim().split(":"))
    .filter((row) => row.length >= fields && row[0] !== "" && !row[0]?.startsWith("#"));
}

function homeOf(entry: readonly string[] | undefined): string {
  return entry?.[5] || "/";
}

function isId(text: string): boolean {
  return /^\d{1,10}$/.test(text) && Number(text) <= ID_LIMIT;
}

function numberOf(text: string, who: string): number {
  if (!isId(text))
    throw new PlyError("invalid", `${who} has an invalid id in the image: ${JSON.stringify(text)}`);
  return Number(text);
}
