/** One way a server will accept credentials (RFC 9110, 11.6.1). Names in lower case. */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
}

/** A header longer than this is no honest challenge. */
const MAX_CHALLENGE_LENGTH = 16 * 1024;

const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const TOKEN68 = /[A-Za-z0-9._~+/-]+=*(?=[\t ]*(?:,|$))/y;
const QUOTED = /"((?:[^"\\]|\\.)*)"/sy;
const SEPARATOR = /[\t ,]*/y;
const SPACE = /[\t ]*/y;
const EQUALS = /[\t ]*=[\t ]*/y;

/**
 * The challenges of `WWW-Authenticate`, several headers joined with commas. Reads as far as the text makes
 * sense and never throws.
 */
export function parseChallenges(header: string | undefined): Challenge[] {
  if (header === undefined || header.length > MAX_CHALLENGE_LENGTH) return [];
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  let position = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = position;
    const match = pattern.exec(header);
    if (match !== null) position = pattern.lastIndex;
    return match;
  };
  for (;;) {
    take(SEPARATOR);
    const name = take(TOKEN)?.[0];
    if (name === undefined) return challenges;
    const current = challenges.at(-1);
    if (take(EQUALS) === null) {
      challenges.push({ scheme: name.toLowerCase(), parameters: new Map() });
      take(SPACE);
      // `Negotiate YII…=`: nothing we could use, but the next challenge may follow.
      if (!isParameter(header, position)) take(TOKEN68);
      continue;
    }
    const value = take(QUOTED)?.[1]?.replace(/\\(.)/gs, "$1") ?? take(TOKEN)?.[0];
    if (current === undefined || value === undefined) return challenges;
    current.parameters.set(name.toLowerCase(), value);
  }
}

/** `name=value` rather than `YII…==`: something other than `=`, a comma or the end follows the sign. */
function isParameter(header: string, position: number): boolean {
  return /^[!#$%&'*+.^_`|~0-9A-Za-z-]+[\t ]*=[\t ]*[^=,\t ]/.test(header.slice(position, position + 512));
}

/**
 * Joins scopes (`repository:a:pull`, `repository:a:push` → `repository:a:pull,push`), sorted: equal wishes
 * get equal texts.
 */
export function mergeScopes(scopes: Iterable<string>): string[] {
  const actions = new Map<string, Set<string>>();
  for (const scope of scopes) {
    const colon = scope.lastIndexOf(":");
    if (colon <= 0) continue;
    const resource = scope.slice(0, colon);
    const known = actions.get(resource) ?? new Set();
    actions.set(resource, known);
    for (const action of scope.slice(colon + 1).split(",")) if (action !== "") known.add(action);
  }
  return [...actions].map(([resource, set]) => `${resource}:${[...set].sort().join(",")}`).sort();
}
