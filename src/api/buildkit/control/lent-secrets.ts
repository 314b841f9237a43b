import type { Builder } from "../../../build/index.ts";
import type { Dockerfile } from "../../../dockerfile/index.ts";
import type { BuildkitSession, ForwardedAgent } from "../session/session.ts";

/** What a client lends to a build besides files. */
export interface Lent {
  readonly secrets: ReadonlyMap<string, Uint8Array>;
  /** Sockets of agents by id. */
  readonly ssh: ReadonlyMap<string, string>;
}

export interface LentOptions {
  readonly session: BuildkitSession;
  readonly stack: AsyncDisposableStack;
  readonly signal: AbortSignal;
}

/** What lets in where contexts are fetched from. Agents stay until the stack is disposed. */
export function lentForAddresses(addresses: readonly string[], options: LentOptions): Promise<Lent> {
  if (addresses.length === 0) return Promise.resolve({ secrets: new Map(), ssh: new Map() });
  return lend(addresses.flatMap(authorizationsFor), ["default"], options);
}

/** What the steps of a build ask for. */
export async function lentForSteps(
  file: Dockerfile,
  outline: Awaited<ReturnType<Builder["calls"]["outline"]>>,
  options: LentOptions,
): Promise<Lent> {
  const added = file.stages
    .flatMap(({ instructions }) => instructions)
    .flatMap((instruction) => (instruction.op === "add" ? instruction.sources : []))
    .flatMap((source) => (source.kind === "path" ? [source.path] : []))
    .filter(isFetched);
  const names = (items: readonly { readonly name: string }[]) => items.map(({ name }) => name);
  return await lend(
    [...names(outline.secrets), ...added.flatMap(authorizationsFor)],
    [...names(outline.ssh), ...(added.length === 0 ? [] : ["default"])],
    options,
  );
}

function isFetched(source: string): boolean {
  return /^(?:https?|git|ssh):\/\/|^[\w.-]+@/.test(source);
}

/** Ids of secrets that are meant for an address, as BuildKit calls them. */
function authorizationsFor(address: string): string[] {
  const all = ["GIT_AUTH_HEADER", "GIT_AUTH_TOKEN"];
  if (!URL.canParse(address)) return all;
  const { host, hostname } = new URL(address);
  const own = all.map((id) => `${id}.${host}`);
  return [...all, ...own, `HTTP_AUTH_HEADER_${hostname}`, `HTTP_AUTH_TOKEN_${hostname}`];
}

async function lend(
  ids: readonly string[],
  agents: readonly string[],
  { session, stack, signal }: LentOptions,
): Promise<Lent> {
  const secrets = new Map<string, Uint8Array>();
  for (const id of new Set(ids)) {
    const value = await session.secret(id, { signal });
    if (value !== undefined) secrets.set(id, value);
  }
  const ssh = new Map<string, string>();
  for (const id of new Set(agents)) {
    const agent: ForwardedAgent | undefined = await session.agent(id, { signal });
    if (agent !== undefined) ssh.set(id, stack.use(agent).path);
  }
  return { secrets, ssh };
}
