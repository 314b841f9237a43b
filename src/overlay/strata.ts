import { randomBytes } from "node:crypto";
import { mkdirSync, renameSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { copyDirectoryAttributes } from "./attributes.ts";
import { canShareBlocks, cloneTree } from "./clone.ts";
import { foldLayer } from "./fold.ts";
import { removeTree } from "./remove-tree.ts";

/**
 * A tree of files as directories over one another: names in one home directory, top first, in overlayfs's form. Only
 * the top of what lives is ever written; all below it may belong to snapshots.
 */
export type Strata = readonly string[];

/** `shared`: blocks shared by the filesystem. `stacked`: the old top lies below a new one. `copied`: byte by byte. */
export type CaptureMethod = "shared" | "stacked" | "copied";

export interface Captured {
  /** What is written from now on. */
  readonly live: Strata;
  /** What stays as it is. */
  readonly kept: Strata;
  readonly method: CaptureMethod;
}

const NEW_STRATUM = /^layer-[0-9a-f]{16}$/;

/** The name of a directory in a home that no other will have. */
export function newStratum(): string {
  return `layer-${randomBytes(8).toString("hex")}`;
}

/** Whether a name is one that a stack gives to its strata. */
export function isStratum(name: string): boolean {
  return NEW_STRATUM.test(name);
}

/** Makes the empty top of a stack; overlayfs shows its attributes as those of the root. */
export function makeTop(home: string, name: string, like: string): void {
  const fresh = join(home, newStratum());
  mkdirSync(fresh, { mode: 0o755 });
  copyDirectoryAttributes(like, fresh);
  renameSync(fresh, join(home, name));
}

/**
 * Keeps a tree as it is now. Nothing is taken note of but by the caller: until then a crash leaves a directory too many.
 * `isMounted`: it is in use (and frozen), so its top must stay what it is.
 */
export async function captureStrata(
  home: string,
  live: Strata,
  { isMounted }: { readonly isMounted: boolean },
): Promise<Captured> {
  const [top = "", ...below] = live;
  const name = newStratum();
  const isShared = await canShareBlocks(home);
  if (isShared || isMounted) {
    await cloneTree(join(home, top), join(home, name));
    return { live, kept: [name, ...below], method: isShared ? "shared" : "copied" };
  }
  makeTop(home, name, join(home, top));
  return { live: [name, ...live], kept: live, method: "stacked" };
}

/** A tree to live with that is as the kept one is, which stays. As with `captureStrata`, the caller takes note. */
export async function reviveStrata(home: string, kept: Strata): Promise<Strata> {
  const [top = "", ...below] = kept;
  const name = newStratum();
  if (await canShareBlocks(home)) {
    await cloneTree(join(home, top), join(home, name));
    return [name, ...below];
  }
  makeTop(home, name, join(home, top));
  return [name, ...kept];
}

export interface TidyOptions {
  readonly live: Strata;
  /** All that must stay beside it. */
  readonly kept: readonly Strata[];
  /** Nothing lies below the last of a stack (a volume, not the writable layer over an image). */
  readonly isWhole: boolean;
  /** The live stack is in use: its directories stay as they are. */
  readonly isMounted: boolean;
  /** Takes note that a directory is in no stack any more: its content is in the one below it. */
  readonly onFold: (name: string) => void;
}

/** Folds directories that nobody needs apart, and removes what is in no stack. */
export async function tidyStrata(home: string, options: TidyOptions): Promise<void> {
  let stacks = [options.live, ...options.kept];
  const taken = options.isMounted ? new Set(options.live) : new Set<string>();
  for (;;) {
    const found = findFold(stacks, taken);
    if (found === undefined) break;
    const { child, parent } = found;
    const isBottom =
      options.isWhole && stacks.every((stack) => stack.indexOf(parent) < 0 || stack.at(-1) === parent);
    const trash = join(home, newStratum());
    await foldLayer(join(home, child), join(home, parent), { isBottom, trash });
    stacks = stacks.map((stack) => stack.filter((name) => name !== child));
    options.onFold(child);
  }
  const known = new Set(stacks.flat());
  for (const name of await readdir(home))
    if (isStratum(name) && !known.has(name)) await removeTree(join(home, name));
}

/** A directory that lies over the same other one wherever either is, which by itself is no stack of anybody's. */
function findFold(
  stacks: readonly Strata[],
  taken: ReadonlySet<string>,
): { readonly child: string; readonly parent: string } | undefined {
  for (const parent of new Set(stacks.flat())) {
    const above = new Set(
      stacks.filter((stack) => stack.includes(parent)).map((stack) => stack[stack.indexOf(parent) - 1]),
    );
    const [child] = above;
    if (above.size === 1 && child !== undefined && !taken.has(child) && !taken.has(parent))
      return { child, parent };
  }
  return undefined;
}
