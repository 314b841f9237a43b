import { parsePatterns } from "../../dockerfile/index.ts";
import { resolveInTree, type TreeNode } from "../../layer/index.ts";
import type { DiffId } from "../../oci/index.ts";
import { byteString, shownPath } from "../../tar/index.ts";
import type { StepInput } from "../cache/cache.ts";
import { type Definition, layersInput } from "../cache/definition.ts";
import { defineStep, wantsDefinition } from "../cache/recall.ts";
import { walkTree } from "../context/file-tree.ts";
import type { StageWork } from "../session.ts";
import type { CopyOptions, Found } from "./copy-files.ts";
import { attributesText, entryText } from "./layer-plan.ts";

/** Where files are copied from: layers are known by their names, all else is looked at. */
export type CopyOrigin = { readonly layers: readonly DiffId[] } | { readonly found: readonly Found[] };

/**
 * What a `COPY` or `ADD` is. `said`: the instruction with its variables expanded, `more`: what of it that does not say.
 * Undefined: its files are at hand, so that it is found by them as fast.
 */
export function defineCopy(
  work: StageWork,
  origin: CopyOrigin,
  { said, more, options }: { readonly said: string; readonly more: object; readonly options: CopyOptions },
): Promise<Definition> | undefined {
  if ("found" in origin && !wantsDefinition(work)) return undefined;
  const { destination, excludes, keepParents } = options;
  return defineStep(work, "copy", async () => {
    const inputs: StepInput[] = [
      ["instruction", said],
      ["mount", JSON.stringify({ destination, excludes, keepParents, ...more })],
    ];
    if ("layers" in origin) inputs.push(layersInput(options.from ?? "", origin.layers));
    else for (const found of origin.found) await addInputs(inputs, found, options);
    return inputs;
  });
}

/** Whether a copy is looked up by its definition: it saves fetching layers, or reading them. */
export function isRecalled({ root, session }: StageWork, origin: CopyOrigin): boolean {
  const { supply, options } = session;
  if (options.noCache === true) return false;
  if (!root.isHere) return true;
  // While a layer below is being made, waiting for its name would take longer.
  return "layers" in origin && (root.isSettled || !origin.layers.every(supply.isHere));
}

async function addInputs(inputs: StepInput[], found: Found, options: CopyOptions): Promise<void> {
  const { tree, path, node, name, kept = [] } = found;
  inputs.push(["source", JSON.stringify([name, kept, node.type])]);
  const parents = options.keepParents ? path.split("/").slice(0, -1) : [];
  for (let n = 1; n <= parents.length; n++) {
    const parent = resolveInTree(tree.root, parents.slice(0, n).join("/")).node;
    inputs.push(["parent", parent === undefined ? "" : textOf(parent, undefined, options)]);
  }
  // What was fetched lies under a name of the moment.
  const shown = found.isRemote === true ? byteString(found.written) : path;
  const patterns = parsePatterns(options.excludes);
  const matched = options.keepParents ? kept.join("/") : "";
  const isLeftOut = (within: string): boolean =>
    patterns.rules.length > 0 && patterns.isIgnored(shownPath(joined(matched, within)));
  for (const [below, each] of walkTree(path, node)) {
    // Of a directory only what is in it is copied.
    if (each === node && node.type === "directory" && !options.keepParents) continue;
    const within = below.slice(path.length).replace(/^\//, "");
    // A source itself may be unpacked whatever its name is.
    if (each !== node && each.type !== "directory" && isLeftOut(within)) continue;
    const digest = each.type === "file" ? tree.digestOf(below, each) : undefined;
    inputs.push([
      `/${joined(shown, within)}`,
      textOf(each, typeof digest === "object" ? await digest : digest, options),
    ]);
  }
}

function joined(...parts: readonly string[]): string {
  return parts.filter((part) => part !== "").join("/");
}

/** With owner and mode as the copy gets them: those of a checkout are its own. */
function textOf(node: TreeNode, digest: string | undefined, { owner, mode }: CopyOptions): string {
  const isKept = mode === undefined || node.type === "symlink";
  const copied = isKept ? node.mode : mode(node.mode, node.type === "directory");
  return entryText(
    node,
    digest,
    attributesText({ type: node.type, mode: copied, ...(owner ?? { uid: node.uid, gid: node.gid }) }),
  );
}
