import { type Member, tarball } from "../../support/tarball.ts";

/** Those that build the corpus beside ply. */
export type Judge = "buildkit" | "classic" | "buildah";

/** One small Dockerfile that ply and its judges build from the same context. */
export interface DockerfileCase {
  readonly name: string;
  /** What follows `FROM base`; a text with a FROM of its own is the whole file. `{server}` is where {@link SERVED} is. */
  readonly text: string;
  /** Beside {@link CONTEXT}. */
  readonly context?: readonly Member[];
  readonly args?: Readonly<Record<string, string>>;
  readonly target?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly secrets?: Readonly<Record<string, string>>;
  /** `--build-context`: a directory with these members, or what the flag is to say. */
  readonly contexts?: Readonly<Record<string, readonly Member[] | string>>;
  /** Who is asked: all, unless it has something that some do not know. */
  readonly judges?: readonly Judge[];
  /** All refuse it; ply's words. */
  readonly fails?: RegExp;
  /**
   * Judges that do otherwise, and why we do not. They are still asked: a note that is no longer true fails. Where BuildKit is among
   * them, `tree`, `config` or `fails` say what ours must be.
   */
  readonly differs?: Readonly<Partial<Record<Judge, string>>>;
  /** Path → `type mode uid:gid content`, or null for nothing there. */
  readonly tree?: Readonly<Record<string, string | null>>;
  readonly config?: Readonly<Record<string, unknown>>;
}

/** Flags that dockerd 20.10 and buildah 1.28 do not know. */
export const BY_BUILDKIT: readonly Judge[] = ["buildkit"];
export const HEREDOCS: readonly Judge[] = ["buildkit"];
/** `RUN --mount`. */
export const MOUNTS: readonly Judge[] = ["buildkit", "buildah"];
/** The classic API is sent what is left of a context, and knows no others. */
export const BY_CLIENTS: readonly Judge[] = ["buildkit", "buildah"];

export const CONTEXT_TIME = 1_500_000_000;
export const file = (
  name: string | Buffer,
  data: string | Uint8Array,
  more: Partial<Member> = {},
): Member => ({
  name,
  data,
  mtime: CONTEXT_TIME,
  ...more,
});
export const directory = (name: string, more: Partial<Member> = {}): Member => ({
  name,
  type: "5",
  mtime: CONTEXT_TIME,
  ...more,
});
export const link = (name: string, to: string): Member => ({
  name,
  type: "2",
  link: to,
  mode: 0o777,
  mtime: CONTEXT_TIME,
});

export const ARCHIVE = tarball([
  directory("in/", { mode: 0o750, uid: 3 }),
  file("in/f", "f", { uid: 3, gid: 4 }),
]);

/** What cases fetch by name; each also with `.gz`. */
export const SERVED: Readonly<Record<string, string | Uint8Array>> = {
  "file.txt": "fetched\n",
  "archive.tar": ARCHIVE,
};

/** What every case finds in its context. */
export const CONTEXT: readonly Member[] = [
  file("a.txt", "a\n"),
  file("b.txt", "b\n"),
  file("c.md", "c\n"),
  file("exe", "#!/bin/sh\necho exe\n", { mode: 0o755 }),
  file("secret", "s\n", { mode: 0o600 }),
  file("with space", "space\n"),
  file("[weird]", "w\n"),
  file("empty", ""),
  directory("dir/", { mode: 0o755 }),
  file("dir/one", "1\n"),
  file("dir/two.md", "2\n", { mode: 0o640 }),
  directory("dir/sub/", { mode: 0o700 }),
  file("dir/sub/three", "3\n"),
  directory("dir/empty/"),
  directory("other/"),
  file("other/one", "other\n"),
  link("link", "a.txt"),
  link("dirlink", "dir"),
  link("dangling", "nowhere"),
  directory("links/"),
  link("links/abs", "/etc/passwd"),
  link("links/rel", "../a.txt"),
  directory("hard/"),
  file("hard/x", "hard\n"),
  { name: "hard/y", type: "1", link: "hard/x", mtime: CONTEXT_TIME },
  file("archive.tar", ARCHIVE),
];
