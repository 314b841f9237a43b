import type { AddInstruction, CopyInstruction, CopySource } from "../../dockerfile/index.ts";
import { byteString } from "../../tar/index.ts";
import type { BuildStep } from "../build.ts";
import { recall } from "../cache/recall.ts";
import { type FileTree, newNode } from "../context/file-tree.ts";
import { contextOf, originFrom } from "../origin.ts";
import type { StageWork, StepOutcome } from "../session.ts";
import { absolutePath } from "../settings.ts";
import { type Adding, findAdded, unpacker } from "./add-sources.ts";
import { type CopyOrigin, defineCopy, isRecalled } from "./copy-definition.ts";
import { type CopyOptions, copyFound, type Found, findSources, overOthers } from "./copy-files.ts";
import { octalMode, parseMode } from "./copy-mode.ts";
import { type Owner, resolveOwner } from "./copy-owner.ts";
import { createLayerPlan, createLonePlan, type LayerPlan } from "./layer-plan.ts";
import { planLayer } from "./plan-step.ts";

/** What is copied without an owner of its own belongs to root. */
const ROOT: Owner = { uid: 0, gid: 0 };
const INLINE_MODE = 0o644;
const DIRECTORY_MODE = 0o755;

/** `COPY` and `ADD`: the layer is written straight from where the files are. */
export async function copyStep(
  work: StageWork,
  instruction: CopyInstruction | AddInstruction,
  step: BuildStep,
): Promise<StepOutcome> {
  const { session, root, variables } = work;
  const name = instruction.op.toUpperCase();
  const written = variables.expand(instruction.destination);
  const destination = absolutePath(written, work.config);
  const sources = instruction.sources.map((source) => expandSource(source, work));
  const from = instruction.op === "copy" ? instruction.from : undefined;
  const chown = variables.expand(instruction.chown);
  const chmod = variables.expand(instruction.chmod);
  const options: CopyOptions = {
    name,
    destination,
    owner: from === undefined ? ROOT : undefined,
    mode: parseMode(chmod),
    madeMode: octalMode(chmod) ?? DIRECTORY_MODE,
    keepParents: instruction.op === "copy" && instruction.parents,
    excludes: instruction.excludes.map((pattern) => variables.expand(pattern)),
    isAlone: sources.length === 1,
    ...(from === undefined ? {} : { from }),
  };

  await using stack = new AsyncDisposableStack();
  const paths = sources.flatMap((source) => (source.kind === "path" ? [source.path] : []));
  const inlines = sources.filter((source) => source.kind === "inline");
  const createdBy = describe(instruction, { chown, chmod, sources, written });
  const origin = await originOf({ work, options, stack }, instruction, { paths, step });
  const more = { paths, inlines, unpack: instruction.op === "add" ? instruction.unpack : null };
  const definition = defineCopy(work, origin, { said: createdBy, more, options });
  if (definition !== undefined && isRecalled(work, origin)) {
    const known = await recall(work, step, { definition: await definition, createdBy });
    if (known !== undefined) return known;
  }

  const below = await root.tree();
  const given = await resolveOwner(chown, (path) => root.readText(path));
  const owned = given === undefined ? options : { ...options, owner: given };
  const plan = instruction.link ? createLonePlan(below) : createLayerPlan(below);
  const found =
    "found" in origin ? origin.found : findAll(await session.sources.treeOf(origin.layers), paths, options);
  if (found.length === 0 && paths.length > 0) warnOfNothing(work, step, paths);
  if (instruction.op === "copy") await copyFound(plan, found, owned);
  else {
    const adding = { work, options: owned, plan, stack };
    await copyFound(plan, found, { ...owned, instead: unpacker(adding, instruction, given !== undefined) });
  }
  putInlines(plan, inlines, owned);
  const outcome = await planLayer(work, plan, { step, createdBy, definition });
  // What was fetched or unpacked for this step must stay until its layer is written.
  if (outcome.layer !== undefined && instruction.op === "add") await outcome.layer;
  return outcome;
}

/** What is copied, or the layers that it is in. */
async function originOf(
  adding: Adding,
  instruction: CopyInstruction | AddInstruction,
  { paths, step }: { readonly paths: readonly string[]; readonly step: BuildStep },
): Promise<CopyOrigin> {
  const { work, options } = adding;
  if (instruction.op === "add") return { found: await findAdded(adding, instruction, paths) };
  if (paths.length === 0) return { found: [] };
  if (instruction.from === undefined)
    return { found: findAll(contextOf(work.session, options.name), paths, options) };
  const origin = await originFrom(work, instruction.from, step);
  return "root" in origin ? { found: findAll(origin, paths, options) } : origin;
}

function findAll(tree: FileTree, paths: readonly string[], { name, keepParents }: CopyOptions): Found[] {
  return paths.flatMap((path) => findSources(tree, path, name, keepParents));
}

/** BuildKit copies nothing then, and so do we: but the author may have meant something else. */
function warnOfNothing({ session }: StageWork, step: BuildStep, paths: readonly string[]): void {
  session.emit({
    kind: "warning",
    message: `nothing matches ${paths.join(", ")}: ${step.text}`,
    at: step.at,
  });
}

function expandSource(source: CopySource, { variables }: StageWork): CopySource {
  if (source.kind === "path") return { kind: "path", path: variables.expand(source.path) };
  if (!source.isExpanded) return source;
  return { ...source, content: variables.expandText(source.content) };
}

function putInlines(
  plan: LayerPlan,
  inlines: readonly Extract<CopySource, { kind: "inline" }>[],
  options: CopyOptions,
): void {
  const { destination, owner, mode } = options;
  for (const { name, content } of inlines) {
    const target = plan.resolve(byteString(destination));
    const isDirectory = destination.endsWith("/") || target.node?.type === "directory";
    if (!isDirectory && !options.isAlone) throw overOthers(options);
    const path = isDirectory ? [target.path, byteString(name)].filter(Boolean).join("/") : target.path;
    const parent = path.slice(0, Math.max(0, path.lastIndexOf("/")));
    plan.makeDirectory(parent, { mode: options.madeMode, ...(owner ?? ROOT) });
    const bytes = Buffer.from(content, "utf8");
    const node = newNode({
      type: "file",
      mode: mode?.(INLINE_MODE, false) ?? INLINE_MODE,
      size: bytes.length,
      ...(owner ?? ROOT),
    });
    plan.put(path, node, bytes);
  }
}

/** As BuildKit writes it: the instruction with its variables expanded. */
function describe(
  instruction: CopyInstruction | AddInstruction,
  {
    chown,
    chmod,
    sources,
    written,
  }: { chown: string; chmod: string; sources: readonly CopySource[]; written: string },
): string {
  const words = [
    instruction.op.toUpperCase(),
    ...(chown === "" ? [] : [`--chown=${chown}`]),
    ...(chmod === "" ? [] : [`--chmod=${chmod}`]),
    ...(instruction.op === "copy" && instruction.from !== undefined ? [`--from=${instruction.from}`] : []),
    ...(instruction.link ? ["--link"] : []),
    ...sources.map((source) => (source.kind === "path" ? source.path : `<<${source.name}`)),
    written,
  ];
  return `${words.join(" ")} # buildkit`;
}
