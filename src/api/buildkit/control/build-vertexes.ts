import type { BuildEvent, BuildStep } from "../../../build/index.ts";
import { inBuildkitsWords } from "./failure.ts";
import { sourceOf } from "./source-places.ts";
import type { StepName } from "./step-names.ts";
import { tellTransfer } from "./transfer-status.ts";
import { CANCELLED, type Work, type Works } from "./vertexes.ts";

export interface BuildVertexOptions {
  readonly works: Works;
  readonly nameOf: (step: BuildStep) => StepName | undefined;
  readonly dockerfile: { readonly text: string; readonly name: string };
  /** Of what loaded the Dockerfile: warnings are about it. */
  readonly definition: string;
  /** Where pushes are told. */
  readonly exporting: () => Work;
}

/** Tells the events of a build to clients as BuildKit's. */
export function createBuildVertexes(options: BuildVertexOptions): (event: BuildEvent) => void {
  const { works, nameOf, dockerfile, definition, exporting } = options;
  const running = new Map<StepName, Work>();
  /** Of stages that begin with an image: finding it comes before having it. */
  const looking = new Map<StepName, Work>();
  /** By image: stages that begin with the same one look for it once. */
  const lookups = new Map<string, Work>();
  const last = new Map<number, string>();
  const begin = (step: BuildStep, name: StepName): Work => {
    const before = last.get(step.stage.index);
    const work = works.begin(name.name, before === undefined ? [] : [before]);
    running.set(name, work);
    last.set(step.stage.index, work.digest);
    return work;
  };
  const lookup = (image: string): Work => {
    const work = lookups.get(image) ?? works.begin(`[internal] load metadata for ${image}`);
    lookups.set(image, work);
    return work;
  };
  /** The image was found. */
  const found = (step: BuildStep, name: StepName): Work => {
    looking.get(name)?.done();
    looking.delete(name);
    return running.get(name) ?? begin(step, name);
  };
  const onStep = (event: Extract<BuildEvent, { readonly kind: "step" }>): void => {
    const name = nameOf(event.step);
    if (name === undefined) return;
    switch (event.state) {
      case "running":
        if (name.image === undefined) begin(event.step, name);
        else looking.set(name, lookup(name.image));
        return;
      case "done":
      case "cached":
        found(event.step, name).done({ isCached: event.state === "cached" });
        return;
      case "failed":
        (looking.get(name) ?? running.get(name))?.fail(inBuildkitsWords(event.message));
        return;
      case "cancelled":
        (looking.get(name) ?? running.get(name))?.fail(CANCELLED);
        return;
    }
  };
  return (event) => {
    switch (event.kind) {
      case "step":
        onStep(event);
        return;
      case "output": {
        const name = nameOf(event.step);
        if (name !== undefined) running.get(name)?.log(event.stream, Buffer.from(event.bytes));
        return;
      }
      case "pull": {
        const name = nameOf(event.step);
        // What comes before layers is about finding it.
        if (name?.image !== undefined && event.progress.kind === "layer")
          tellTransfer(found(event.step, name), event.progress);
        return;
      }
      case "push":
        tellTransfer(exporting(), event.progress, "pushing ");
        return;
      case "warning": {
        const { message, at, rule } = event;
        const text = rule === undefined ? message : `${rule.rule}: ${message} (line ${at?.start ?? 0})`;
        works.journal.add({
          warning: {
            vertex: definition,
            level: 1,
            short: Buffer.from(text),
            ...(rule === undefined ? {} : { detail: [Buffer.from(rule.description)] }),
            ...(rule?.url === undefined ? {} : { url: rule.url }),
            ...(at === undefined ? {} : sourceOf(dockerfile, at)),
          },
        });
        return;
      }
      case "stage":
      case "container":
        return;
    }
  };
}
