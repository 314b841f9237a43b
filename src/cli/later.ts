/** Commands of Docker that ply has not, or not yet, with what to do instead. */
const LATER: Readonly<Record<string, string>> = {
  build: "run a container, change it and commit it; or build elsewhere and load the result",
  builder: "",
  buildx: "",
  compose: "",
};

/** Flags of `docker run` and `docker create` that ply has not yet, by what they are about. */
const LATER_FLAGS: readonly (readonly [what: string, flags: readonly string[]])[] = [
  ["it comes with a later version", ["-a", "--attach"]],
];

/** What to say of a flag of `run` or `create` that only Docker has; undefined for any other word. */
export function flagNotYet(flag: string): string | undefined {
  const found = LATER_FLAGS.find(([, flags]) => flags.includes(flag));
  return found === undefined ? undefined : `ply has no ${flag} yet: ${found[0]}`;
}

/** What to say of a command that Docker's users look for here; undefined for any other word. */
export function notYet(name: string): string | undefined {
  const instead = Object.hasOwn(LATER, name) ? LATER[name] : undefined;
  if (instead === undefined) return undefined;
  return `ply has no '${name}' yet${instead === "" ? "" : `; for now: ${instead}`}`;
}
