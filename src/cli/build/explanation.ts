import type { PlyBuildDifference, PlyBuildMessage, PlyBuildStep, PlyBuildWhy } from "../../wire/index.ts";
import { printable, truncate } from "../output/width.ts";
import type { Stdio } from "../terminal/index.ts";
import { type BuildView, titleOf } from "./view.ts";

/** The same view, and why steps ran when the build is over. */
export function explaining(view: BuildView, stdio: Pick<Stdio, "err">): BuildView {
  const explanation = createExplanation();
  let isTold = false;
  return {
    get failed() {
      return view.failed;
    },
    outputOf: (step) => view.outputOf(step),
    show(message) {
      explanation.see(message);
      view.show(message);
    },
    close() {
      view.close();
      if (!isTold) for (const line of explanation.lines()) stdio.err(`${line}\n`);
      isTold = true;
    },
  };
}

interface Explanation {
  see(message: PlyBuildMessage): void;
  lines(): string[];
}

/** Of a file, a command or a value: what a line can show. */
const SHOWN_VALUE = 60;
const SHOWN_DIFFERENCES = 3;

function createExplanation(): Explanation {
  // In the order in which they ended: causes before what they caused.
  const seen = new Map<number, { readonly step: PlyBuildStep; readonly why: PlyBuildWhy }>();
  let [steps, cached] = [0, 0];
  return {
    see(message) {
      if (message.type !== "step" || message.state === "running" || message.state === "cancelled") return;
      steps++;
      if (message.state === "cached") cached++;
      else if (message.why !== undefined)
        seen.set(message.step.number, { step: message.step, why: message.why });
    },
    lines() {
      if (seen.size === 0)
        return [steps === 0 || cached === 0 ? "" : "Every step was cached."].filter(Boolean);
      return [
        "Why steps ran:",
        ...[...seen.values()].flatMap(({ step, why }) => [
          `  ${truncate(titleOf(step), 100)}`,
          ...reasonsOf(why).map((reason) => `      ${reason}`),
        ]),
      ];
    },
  };
}

function reasonsOf(why: PlyBuildWhy): string[] {
  switch (why.kind) {
    case "no-cache":
      return ["no cache was wanted (--no-cache)"];
    case "new":
      return ["never built before"];
    case "pruned":
      return ["built of the same before, but its layer was pruned"];
    case "changed": {
      const { differences, total } = why;
      const shown = differences.slice(0, SHOWN_DIFFERENCES).map(reasonOf);
      const more = total - shown.length;
      return more === 0 ? shown : [...shown, `and ${more} more`];
    }
  }
}

const WORDS: Readonly<Record<Exclude<PlyBuildDifference["kind"], "file">, string>> = {
  base: "base image",
  step: "after",
  instruction: "instruction",
  script: "script",
  argument: "ARG",
  environment: "ENV",
  user: "user",
  directory: "working directory",
  network: "network",
  security: "security",
  mount: "mount",
  timestamp: "timestamp",
  setting: "setting",
};

function reasonOf({ kind, name, before, after, change }: PlyBuildDifference): string {
  const values = `${shown(before)} → ${shown(after)}`;
  if (kind === "file") {
    if (change === "added" || change === "removed") return `${printable(name)} ${change}`;
    return `${printable(name)}: ${change} ${values}`;
  }
  if (kind === "step") return `after a step that ran: ${shown(name)}`;
  const named = ["base", "argument", "environment", "setting"].includes(kind) ? ` ${printable(name)}` : "";
  return `${WORDS[kind]}${named}: ${values}`;
}

function shown(value: string | undefined): string {
  if (value === undefined) return "(none)";
  return truncate(
    printable(value.replace(/^sha256:([0-9a-f]{12})[0-9a-f]+$/, "$1").replace(/\s+/g, " ")),
    SHOWN_VALUE,
  );
}
