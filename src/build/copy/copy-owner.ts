import { isPlyError, PlyError } from "../../error.ts";

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

const ID = /^\d{1,10}$/;
const ID_LIMIT = 2 ** 32 - 2;

/**
 * `--chown`: `user`, `user:group`, names or numbers; a group left out is the same number, or for a name the group in passwd.
 * `read` gives a file of the target's root. Throws "invalid".
 */
export async function resolveOwner(
  text: string,
  read: (path: string) => Promise<string>,
): Promise<Owner | undefined> {
  if (text === "") return undefined;
  const [user = "", group, ...more] = text.split(":");
  if (more.length > 0 || (user === "" && !group))
    throw new PlyError("invalid", `invalid chown string: ${text}`);
  const uid = user === "" ? 0 : isId(user) ? Number(user) : await lookUp("user", user, "/etc/passwd", read);
  if (group === undefined || group === "") {
    const gid = isId(user) ? uid : await primaryGroup(user, read);
    return { uid, gid };
  }
  return { uid, gid: isId(group) ? Number(group) : await lookUp("group", group, "/etc/group", read) };
}

/** Whose the directories are that `WORKDIR` makes: `USER`'s; root's where it says nobody that there is. */
export async function ownerOfUser(user: string, read: (path: string) => Promise<string>): Promise<Owner> {
  try {
    return (await resolveOwner(user, read)) ?? { uid: 0, gid: 0 };
  } catch (error) {
    if (isPlyError(error, "invalid")) return { uid: 0, gid: 0 };
    throw error;
  }
}

function isId(text: string): boolean {
  return ID.test(text) && Number(text) <= ID_LIMIT;
}

function rows(text: string): string[][] {
  return text
    .split("\n")
    .map((line) => line.trim().split(":"))
    .filter(([name]) => name !== undefined && name !== "" && !name.startsWith("#"));
}

async function lookUp(
  what: "user" | "group",
  name: string,
  file: string,
  read: (path: string) => Promise<string>,
): Promise<number> {
  const row = rows(await read(file)).find(([known]) => known === name);
  if (row === undefined || !isId(row[2] ?? ""))
    throw new PlyError(
      "invalid",
      `unable to convert ${what === "user" ? "uid" : "gid"}/chown string to a number: can't find ${
        what === "user" ? "uid for user" : "gid for group"
      } ${name}`,
      { hint: `the image has no such ${what} in ${file}; use a number, or make it with RUN before` },
    );
  return Number(row[2]);
}

/** Docker takes the group of the user's own name where there is one, BuildKit the one in passwd. */
async function primaryGroup(user: string, read: (path: string) => Promise<string>): Promise<number> {
  const row = rows(await read("/etc/passwd")).find(([known]) => known === user);
  return isId(row?.[3] ?? "") ? Number(row?.[3]) : 0;
}
