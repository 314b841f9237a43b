import { type SourceRange, syntaxOf } from "../dockerfile/index.ts";
import { PlyError } from "../error.ts";

/** Docker's own frontends, from whatever registry or mirror: what they do is built in. */
const BUILT_IN = /^(?:[\w.:/-]+\/)?docker\/dockerfile(?:-upstream)?(?::[\w.-]+)?(?:@sha256:[0-9a-f]+)?$/;
/** The value of `BUILDKIT_SYNTAX` that means the built-in frontend as well. */
const BUILT_IN_NAME = "dockerfile.v0";

/**
 * Looks whether a Dockerfile is written in the language that is built in; `BUILDKIT_SYNTAX` stands before its own
 * `# syntax=`. Throws "unsupported" with the line where it wants another frontend.
 */
export function checkFrontend(
  { text, name }: { readonly text: string; readonly name: string },
  buildArgs: ReadonlyMap<string, string>,
): void {
  const given = buildArgs.get("BUILDKIT_SYNTAX") ?? "";
  const written = syntaxOf(text);
  const syntax = given === "" ? written?.value : given;
  if (syntax === undefined || BUILT_IN.test(syntax) || syntax === BUILT_IN_NAME) return;
  const at: Pick<SourceRange, "file" | "start"> | undefined =
    given === "" && written !== undefined ? { file: name, start: written.line } : undefined;
  throw new PlyError(
    "unsupported",
    `the frontend ${syntax} cannot be run: docker/dockerfile is built in, and there are no others`,
    {
      hint:
        at === undefined
          ? "leave out --build-arg BUILDKIT_SYNTAX"
          : "if it is written in Docker's own language, build with --build-arg BUILDKIT_SYNTAX=docker/dockerfile",
      ...(at === undefined ? {} : { details: { file: at.file, line: at.start, endLine: at.start } }),
    },
  );
}
