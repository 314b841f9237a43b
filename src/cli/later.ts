/** Commands of Docker that ply has not, or not yet, with what to do instead. */
const LATER: Readonly<Record<string, string>> = {
  compose: "docker compose and docker-compose work with DOCKER_HOST=unix:///run/ply/ply.sock",
};

/** What to say of a command that Docker's users look for here; undefined for any other word. */
export function notYet(name: string): string | undefined {
  const instead = Object.hasOwn(LATER, name) ? LATER[name] : undefined;
  if (instead === undefined) return undefined;
  return `ply has no '${name}' yet${instead === "" ? "" : `; for now: ${instead}`}`;
}
