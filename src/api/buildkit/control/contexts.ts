import {
  type BuildContexts,
  type BuildOptions,
  type ContextOptions,
  type ContextSource,
  type FileTree,
  readTreeText,
} from "../../../build/index.ts";
import { cleanPath, type IgnoreFile, type IgnoreRule, parseIgnoreFile } from "../../../dockerfile/index.ts";
import type { Engine } from "../../../engine.ts";
import { messageOf, PlyError } from "../../../error.ts";
import { platformsOf } from "../../build-options.ts";
import { fetchOptions } from "../../fetch-options.ts";
import type { BuildkitSession, DirectoryFilter } from "../session/session.ts";
import { imageOfStore } from "./layout-context.ts";
import { lentForAddresses } from "./lent-secrets.ts";
import { attributesAfter, type Order } from "./order.ts";
import { imageOfDefinition } from "./result-definition.ts";
import { counted, type Work, type Works } from "./vertexes.ts";

export interface ContextsOptions {
  readonly engine: Engine;
  /** Who has a local directory: builds of several targets share some. */
  readonly sessionOf: (id: string) => Promise<BuildkitSession>;
  readonly session: BuildkitSession;
  readonly order: Order;
  readonly works: Works;
  readonly buildArgs: ReadonlyMap<string, string>;
  readonly signal: AbortSignal;
}

/** What a build sees; dispose it when that is over. */
export interface OpenedContexts extends AsyncDisposable {
  readonly dockerfile: { readonly text: string; readonly name: string };
  /** What clients know its loading as. */
  readonly definition: string;
  /** Brings the contexts here: questions about the Dockerfile need none. */
  open(): Promise<Pick<BuildOptions, "context" | "contexts" | "ignore">>;
}

const CONTEXT = "context";
const DOCKERFILE = "Dockerfile";
const IGNORE_FILE = ".dockerignore";
/** Where clients offer what comes from their stdin. */
const UPLOAD = "http://buildkit-session/";

/** Finds the Dockerfile of an order: beside the context, or in it where that is fetched. Throws as `openContexts`. */
export async function openOrder(options: ContextsOptions): Promise<OpenedContexts> {
  const { order, works } = options;
  const { attributes } = order;
  if (attributes.has("contextsubdir")) throw new PlyError("unsupported", "contextsubdir is not known");
  await using stack = new AsyncDisposableStack();
  const address = attributes.get(attributes.get("contextkey") ?? CONTEXT);
  const filename = attributes.get("filename") ?? DOCKERFILE;
  const local = attributes.get("dockerfilekey") ?? (address === undefined ? "dockerfile" : undefined);
  const fetching =
    address === undefined
      ? undefined
      : await fetchMain(options, { address, stack, filename: local === undefined ? filename : undefined });
  const loading = works.begin(`[internal] load build definition from ${filename}`);
  const loaded = await telling(loading, async () => {
    if (local === undefined) return fetching;
    const wanted = [filename, `${filename}${IGNORE_FILE}`, filename.replace(/Dockerfile$/, "dockerfile")];
    const archive = await sent(options, local, { followPaths: [...new Set(wanted)] }, [
      loading,
      "dockerfile",
    ]);
    await using opened = await openAlone(options, { archive }, dockerfileOption(filename));
    const { dockerfile, ignore } = opened;
    return { dockerfile, ...(ignore === undefined ? {} : { ignore }) };
  });
  const dockerfile = loaded?.dockerfile;
  if (dockerfile === undefined) throw new PlyError("invalid", "there is no Dockerfile");
  const held = stack.move();
  return {
    dockerfile,
    definition: loading.digest,
    open: async () => {
      const named = await openNamed(options, held);
      const contexts = named.size === 0 ? {} : { contexts: named };
      if (fetching === undefined) return { ...contexts, ...(await openSent(options, held, loaded?.ignore)) };
      const { main, ignore } = fetching;
      return { ...contexts, context: main, ...(ignore === undefined ? {} : { ignore }) };
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** A repository, an archive, a Dockerfile alone: what is at an address, or comes from the client's stdin. */
async function fetchMain(
  options: ContextsOptions,
  {
    address,
    stack,
    filename,
  }: {
    readonly address: string;
    readonly stack: AsyncDisposableStack;
    /** Undefined: the Dockerfile is not in it. */
    readonly filename: string | undefined;
  },
): Promise<BuildContexts> {
  const { session, works, buildArgs, signal } = options;
  const isUploaded = address.startsWith(UPLOAD);
  const lent = await lentForAddresses(isUploaded ? [] : [address], { session, stack, signal });
  const work = works.begin(
    `[internal] load ${isUploaded ? "build context from stdin" : `remote build context ${address}`}`,
  );
  const main: ContextSource = isUploaded
    ? { archive: counted(work, "transferring context:", session.upload(address, { signal })) }
    : { address };
  const how = { ...dockerfileOption(filename), ...fetchOptions({ ...lent, buildArgs }) };
  return stack.use(await telling(work, () => openAlone(options, main, how)));
}

/** One under another name than the usual is looked for under that alone. */
function dockerfileOption(filename: string | undefined): Pick<ContextOptions, "dockerfile"> {
  if (filename === undefined) return {};
  return { dockerfile: filename === DOCKERFILE ? "" : filename };
}

function openAlone(
  { engine, signal }: ContextsOptions,
  main: ContextSource,
  how: ContextOptions = {},
): Promise<BuildContexts> {
  return engine.builder.openContexts({ main, named: new Map(), archive: undefined }, { ...how, signal });
}

/** The client's directory, without what its rules leave out. */
async function openSent(
  options: ContextsOptions,
  stack: AsyncDisposableStack,
  own: IgnoreFile | undefined,
): Promise<Pick<BuildOptions, "context" | "ignore">> {
  const name = options.order.attributes.get("contextkey") ?? CONTEXT;
  const ignore = own ?? (await readIgnoreFile(options, name, `[internal] load ${IGNORE_FILE}`));
  const context = await directoryTree(options, {
    name,
    stack,
    ignore,
    title: "[internal] load build context",
  });
  return { context, ...(ignore === undefined ? {} : { ignore }) };
}

async function directoryTree(
  options: ContextsOptions,
  {
    name,
    stack,
    ignore,
    title,
  }: {
    readonly name: string;
    readonly stack: AsyncDisposableStack;
    readonly ignore: IgnoreFile | undefined;
    readonly title: string;
  },
): Promise<FileTree> {
  const work = options.works.begin(title);
  return await telling(work, async () => {
    const filter = ignore === undefined ? {} : { exclude: ignore.rules.flatMap(sentPattern) };
    const archive = await sent(options, name, filter, [work, "context"]);
    return mainOf(stack.use(await openAlone(options, { archive })), name);
  });
}

/** A rule as clients match it: they take paths as they are. */
function sentPattern({ text }: IgnoreRule): string[] {
  const [, exception = "", pattern = ""] = /^(!?)(.*)$/s.exec(text) ?? [];
  const path = cleanPath(pattern.trim());
  return path === "" ? [] : [exception + path];
}

/** Rules of a client's directory; undefined: it has none. */
async function readIgnoreFile(
  options: ContextsOptions,
  name: string,
  title: string,
): Promise<IgnoreFile | undefined> {
  const work = options.works.begin(title);
  return await telling(work, async () => {
    const archive = await sent(options, name, { followPaths: [IGNORE_FILE] }, [work, "context"]);
    await using opened = await openAlone(options, { archive });
    const text = readTreeText(mainOf(opened, name), IGNORE_FILE);
    return text === undefined ? undefined : parseIgnoreFile(text);
  });
}

/** `context:NAME` of an order: directories of the client, images, addresses, results of other builds. */
async function openNamed(
  options: ContextsOptions,
  stack: AsyncDisposableStack,
): Promise<Map<string, FileTree | { readonly image: string }>> {
  const named = new Map<string, FileTree | { readonly image: string }>();
  for (const [key, value] of attributesAfter(options.order.attributes, "context:")) {
    // What is for one platform says so: `NAME::linux/amd64`.
    const name = key.split("::", 1)[0] ?? key;
    named.set(name, await openOneNamed(options, { name, value, stack }));
  }
  return named;
}

async function openOneNamed(
  options: ContextsOptions,
  {
    name,
    value,
    stack,
  }: { readonly name: string; readonly value: string; readonly stack: AsyncDisposableStack },
): Promise<FileTree | { readonly image: string }> {
  const { session, works, order, buildArgs, signal } = options;
  const after = (prefix: string): string | undefined =>
    value.startsWith(prefix) ? value.slice(prefix.length) : undefined;
  const image = after("docker-image://");
  if (image !== undefined) return { image };
  const local = after("local:");
  if (local !== undefined) {
    const ignore = await readIgnoreFile(options, local, `[context ${name}] load ${IGNORE_FILE}`);
    return await directoryTree(options, {
      name: local,
      stack,
      ignore,
      title: `[context ${name}] load from client`,
    });
  }
  const input = after("input:");
  if (input !== undefined) {
    const found = imageOfDefinition(order.inputs.get(input));
    if (found === undefined)
      throw new PlyError("unsupported", `the context ${name} is no result of this engine`, {
        hint: "ply runs Dockerfiles and no other definitions of builds",
      });
    return { image: found };
  }
  const layout = after("oci-layout://");
  if (layout !== undefined) {
    const work = works.begin(`[context ${name}] OCI load from client`);
    const [platform] = platformsOf((order.attributes.get("platform") ?? "").split(",").filter(Boolean));
    return { image: await telling(work, () => imageOfStore(options, layout, platform)) };
  }
  const lent = await lentForAddresses([value], { session, stack, signal });
  const work = works.begin(`[context ${name}] ${value}`);
  const how = fetchOptions({ ...lent, buildArgs });
  const opened = await telling(work, () => openAlone(options, { address: value }, how));
  return mainOf(stack.use(opened), name);
}

function mainOf({ main }: BuildContexts, name: string): FileTree {
  if (main === null) throw new PlyError("internal", `there is no context ${name}`);
  return main;
}

/** A client's directory on its way here. */
async function sent(
  { order, session, sessionOf, signal }: ContextsOptions,
  name: string,
  filter: DirectoryFilter,
  [work, what]: readonly [work: Work, what: string],
): Promise<AsyncIterable<Uint8Array>> {
  const shared = order.attributes.get(`local-sessionid:${name}`);
  const from = shared === undefined ? session : await sessionOf(shared);
  const id = `transferring ${what}:`;
  let current = 0;
  const archive = from.directory(name, filter, {
    signal,
    onProgress: ({ bytes }) => {
      current = bytes;
      work.status(id, { current });
    },
  });
  return (async function* () {
    yield* archive;
    work.status(id, { current, isDone: true });
  })();
}

/** Ends a work as what it stands for ends. */
async function telling<Result>(work: Work, doing: () => Promise<Result>): Promise<Result> {
  try {
    const result = await doing();
    work.done();
    return result;
  } catch (error) {
    work.fail(messageOf(error));
    throw error;
  }
}
