import { PlyError } from "../../error.ts";
import { canonicalString, familiarString, parseReference, withDefaultTag } from "../../oci/index.ts";
import type { PlyPullMessage, PlyPullRequest } from "../../wire/index.ts";
import { answeredError } from "../../wire/index.ts";
import type { CommandContext } from "../command.ts";
import { registryConfigHeaders } from "../credentials.ts";
import { ExitError, INTERRUPTED } from "../failure.ts";
import { createDisplay } from "../progress/index.ts";

export interface PullOptions {
  readonly references: readonly string[];
  readonly platform?: string | undefined;
  readonly allTags: boolean;
  readonly quiet: boolean;
  /** stderr where stdout belongs to something else. */
  readonly stream: "stdout" | "stderr";
}

/**
 * Pulls images, showing how it goes; returns the errors of those that failed. Ctrl-C ends it with exit code 130
 * and says what is kept.
 */
export async function pullImages(context: CommandContext, options: PullOptions): Promise<unknown[]> {
  const { stdio } = context;
  using interruption = context.interruptible();
  const { signal } = interruption;
  const display = options.quiet ? undefined : createDisplay({ stdio, stream: options.stream });
  const write = (text: string): void => (options.stream === "stdout" ? stdio.out(text) : stdio.err(text));
  const errors: unknown[] = [];
  const request: PlyPullRequest = {
    references: options.references,
    ...(options.platform === undefined ? {} : { platform: options.platform }),
    ...(options.allTags ? { allTags: true } : {}),
  };
  let finished = false;
  try {
    const messages = await context.engine.stream<PlyPullMessage>("POST", "/ply/images/pull", {
      json: request,
      headers: await registryConfigHeaders(options.references, context.env),
      signal,
    });
    for await (const message of messages) {
      if (message.type === "progress") display?.update(titleOf(message.reference), message.progress);
      else if (message.type === "pulled") {
        const full = canonicalOf(message.name);
        if (display === undefined) write(`${full}\n`);
        else display.settle(titleOf(message.reference), pulledLines(message, full));
      } else if (message.type === "error") {
        display?.settle(titleOf(message.reference), []);
        errors.push(answeredError(0, message.error));
      } else finished = true;
    }
  } catch (error) {
    display?.close();
    if (!signal.aborted) throw error;
    throw new ExitError(
      INTERRUPTED,
      "Pull cancelled. Finished layers and the parts of others are kept; the next pull goes on from there.",
    );
  }
  display?.close();
  if (!finished && errors.length === 0)
    throw new PlyError("unavailable", "the engine closed the connection in the middle of the pull", {
      hint: "pull again: what arrived is kept",
    });
  return errors;
}

function pulledLines(pulled: Extract<PlyPullMessage, { readonly type: "pulled" }>, full: string): string[] {
  const state = pulled.changed ? "Downloaded newer image for" : "Image is up to date for";
  return [`Digest: ${pulled.digest}`, `Status: ${state} ${pulled.name}`, full];
}

/** The name a user reads: `nginx` is `nginx:latest`. */
export function titleOf(reference: string): string {
  try {
    return familiarString(withDefaultTag(parseReference(reference)));
  } catch {
    return reference;
  }
}

function canonicalOf(name: string): string {
  try {
    return canonicalString(parseReference(name));
  } catch {
    return name;
  }
}
