/** What of a build's secrets lets it in where it fetches, by BuildKit's names. */
export type Secrets = ReadonlyMap<string, Uint8Array>;

/** For an `ADD` of an address: a whole header, or a token. Undefined: nobody gave one for this host. */
export function httpAuthorization(secrets: Secrets, { hostname }: URL): string | undefined {
  const header = textOf(secrets, `HTTP_AUTH_HEADER_${hostname}`);
  if (header !== undefined) return header;
  const token = textOf(secrets, `HTTP_AUTH_TOKEN_${hostname}`);
  return token === undefined ? undefined : `Bearer ${token}`;
}

/** For a repository over HTTP; what is given for its host stands before what is given for all. */
export function gitAuthorization(secrets: Secrets, repository: string): string | undefined {
  if (!/^https?:\/\//.test(repository)) return undefined;
  for (const suffix of [`.${new URL(repository).host}`, ""]) {
    const header = textOf(secrets, `GIT_AUTH_HEADER${suffix}`);
    const token = textOf(secrets, `GIT_AUTH_TOKEN${suffix}`);
    // A header of one word names the scheme of the token.
    if (header !== undefined && token !== undefined && /^\w+$/.test(header)) {
      const isBasic = header.toLowerCase() === "basic" && token.includes(":");
      return `${header} ${isBasic ? base64(token) : token}`;
    }
    if (header !== undefined) return header;
    if (token !== undefined) return `basic ${base64(`x-access-token:${token}`)}`;
  }
  return undefined;
}

function textOf(secrets: Secrets, id: string): string | undefined {
  const value = secrets.get(id);
  // Files end with a line feed; in a header it would begin another one.
  return value === undefined ? undefined : Buffer.from(value).toString("utf8").trim();
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
