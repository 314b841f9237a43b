import type { AddInstruction, CopyInstruction, IgnoreFile } from "../../dockerfile/index.ts";
import { PlyError } from "../../error.ts";
import { lookup, type TreeNode } from "../../layer/index.ts";
import { suggest } from "../../suggest.ts";
import { byteString, shownPath } from "../../tar/index.ts";
import type { BuildStep } from "../build.ts";
import { walkTree } from "../context/file-tree.ts";
import { treeFrom } from "../origin.ts";
import type { StageWork, StepOutcome } from "../session.ts";

/** Copies; for a source that is not there, says why as far as that can be seen, and what may be meant. */
export async function hintingMissing(
  work: StageWork,
  instruction: CopyInstruction | AddInstruction,
  step: BuildStep,
  copy: () => Promise<StepOutcome>,
): Promise<StepOutcome> {
  try {
    return await copy();
  } catch (error) {
    const path = error instanceof PlyError && error.kind === "not-found" ? error.details["path"] : undefined;
    if (!(error instanceof PlyError) || typeof path !== "string" || error.hint !== undefined) throw error;
    const { context, ignore } = work.session.options;
    const from = instruction.op === "copy" ? instruction.from : undefined;
    const tree = from === undefined ? context : await treeFrom(work, from, step);
    const hint =
      tree === null ? undefined : missingHint(tree.root, path, from === undefined ? ignore : undefined);
    // Elsewhere than in a context no ignore file decides.
    const message =
      from === undefined
        ? error.message
        : `COPY failed: stat ${path.replace(/^\/+/, "")}: file does not exist`;
    throw new PlyError(error.kind, message, {
      cause: error,
      details: error.details,
      ...(hint === undefined ? {} : { hint }),
    });
  }
}

/** Looked at for a file of the same name elsewhere. */
const SEARCHED = 50_000;

/** `ignore`: of a context. */
export function missingHint(root: TreeNode, written: string, ignore?: IgnoreFile): string | undefined {
  const names = written.split("/").filter((name) => name !== "" && name !== ".");
  const path = names.join("/");
  const rule = ignore?.isIgnored(path) ? ignore.decidedBy(path) : undefined;
  if (rule !== undefined) return `the ignore file leaves it out: ${rule.text} (line ${rule.line})`;
  if (names.includes(".."))
    return "what lies outside of the context is not seen: give a directory above, or --build-context NAME=DIRECTORY and COPY --from=NAME";
  for (let depth = 0; depth < names.length; depth++) {
    const below = names.slice(0, depth).join("/");
    const here = lookup(root, byteString(names.slice(0, depth + 1).join("/")));
    if (here?.type === "symlink")
      return `${names.slice(0, depth + 1).join("/")} is a link to ${shownPath(here.linkTarget)}, which is not there: links do not lead out`;
    if (here !== undefined) continue;
    const directory = depth === 0 ? root : lookup(root, byteString(below));
    const siblings = [...(directory?.children?.keys() ?? [])].map(shownPath);
    const [near] = suggest(names[depth] ?? "", siblings);
    if (near !== undefined) return `did you mean ${[...names.slice(0, depth), near].join("/")}?`;
    break;
  }
  return elsewhere(root, names);
}

/** A file of that name in another directory: the one whose path ends most like the one that was asked for. */
function elsewhere(root: TreeNode, names: readonly string[]): string | undefined {
  const name = byteString(names.at(-1) ?? "");
  const found: string[] = [];
  let seen = 0;
  for (const [path] of walkTree("", root)) {
    if (++seen > SEARCHED) break;
    if (path.slice(path.lastIndexOf("/") + 1) === name) found.push(shownPath(path));
  }
  const likeness = (path: string): number => {
    const other = path.split("/").toReversed();
    const differs = names.toReversed().findIndex((each, n) => each !== other[n]);
    return differs < 0 ? names.length : differs;
  };
  const [best] = found.sort((a, b) => likeness(b) - likeness(a) || a.length - b.length);
  return best === undefined ? undefined : `there is ${best}: paths begin at the root`;
}
