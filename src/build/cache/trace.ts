import type { BuildOptions, BuildStep } from "../build.ts";
import type { KnownLayer } from "../layer-supply.ts";
import type { StepInput } from "./cache.ts";
import type { Definition } from "./definition.ts";
import {
  compactTrace,
  type Difference,
  differencesOf,
  type StageBase,
  type StepTrace,
  type Why,
} from "./difference.ts";
import { type Place, type Project, type Projects, projectIds } from "./project.ts";
import type { TraceShelf } from "./trace-shelf.ts";

/** What a build is made of, step by step: told to later builds, and compared with earlier ones when it is to explain itself. */
export interface BuildTrace {
  stage(id: string, from: BuildStep, base: StageBase): StageTrace;
  /** Why a step was not cached, once that is known. */
  whyOf(step: BuildStep): Why | undefined;
  /** Writes down what stood where; call it however the build ended. */
  finish(): void;
}

/** What a layer is made of, before it is known whether it was made before. */
export interface MadeOf {
  readonly key: string;
  /** The instruction with its variables expanded. */
  readonly said: string;
  readonly inputs: readonly StepInput[];
  readonly variables: readonly StepInput[];
  readonly origins: StepTrace["origins"];
  /** The layers over the base with their steps, for one that depends on them. */
  readonly below?: StepTrace["below"];
  /** What the step is without the files of layers; told of a step that was found by nothing else, and explains one that runs. */
  readonly recalled?: Definition;
  readonly definition?: Promise<Definition> | undefined;
}

export interface StageTrace {
  /** A layer is to be made anew. */
  ran(step: BuildStep, made: MadeOf, options: { readonly noCache: boolean }): Promise<void>;
  /** It was made, or found: later builds compare with it. */
  kept(step: BuildStep, made: MadeOf): void;
  /** A step is over. */
  done(
    step: BuildStep,
    outcome: { readonly createdBy: string; readonly layer?: Promise<KnownLayer | undefined> },
    options: { readonly isCached: boolean; readonly noCache: boolean },
  ): void;
  /** The instructions that layers are of so far, in their order. */
  readonly layers: readonly string[];
  /** The key of the layer step before this one. */
  parentOf(step: BuildStep): string | undefined;
}

/** What is remembered of earlier builds. */
export interface BuildMemory {
  readonly shelf: TraceShelf;
  readonly projects: Projects;
}

/** Differences that are told one by one; of the others how many there are. */
const TOLD = 10;

export function createTrace({ shelf, projects }: BuildMemory, options: BuildOptions): BuildTrace {
  const { explain: explains = false } = options;
  const ids = projectIds(options);
  const project = explains ? projects.find(ids) : undefined;
  const whys = new Map<string, Why>();
  const places: Place[] = [];

  return {
    stage(id, from, base) {
      const placeOf = ({ place, text }: BuildStep) => ({ stage: id, index: place.number - 1, text });
      const mark = (step: BuildStep, ...marks: string[]) => places.push({ ...placeOf(step), marks });
      const earlier = (step: BuildStep, kind: string): string[] => marksOf(project, placeOf(step), kind);
      const layers: string[] = [];
      const keys = new Map<string, string>();
      const recalled = new Map<string, string>();
      let changedBefore = changedBase(base, earlier(from, "image"));
      if (changedBefore !== undefined) whys.set(nameOf(from), changed([changedBefore]));
      mark(from, `image:${base.id}`);

      return {
        layers,
        parentOf: (step) => [...keys].findLast(([before]) => before !== nameOf(step))?.[1],
        async ran(step, made, { noCache }) {
          keys.set(nameOf(step), made.key);
          if (!explains) return;
          if (noCache) {
            whys.set(nameOf(step), { kind: "no-cache" });
            return;
          }
          const why = await explainLayer(shelf, traceOf(step, made, base), made.key, earlier(step, "layer"));
          const definition = why.kind === "new" ? await made.definition : undefined;
          whys.set(
            nameOf(step),
            definition === undefined
              ? why
              : await explainLayer(
                  shelf,
                  definedTraceOf(step, made, base, definition),
                  definition.key,
                  earlier(step, "defined"),
                ),
          );
        },
        kept(step, made) {
          keys.set(nameOf(step), made.key);
          if (made.recalled === undefined) {
            shelf.put(made.key, traceOf(step, made, base));
            return;
          }
          recalled.set(nameOf(step), made.recalled.key);
          shelf.put(made.recalled.key, definedTraceOf(step, made, base, made.recalled));
        },
        done(step, { createdBy: said, layer }, { isCached, noCache }) {
          if (layer !== undefined) layers.push(oneLine(step.text));
          const key = keys.get(nameOf(step));
          const defined = recalled.get(nameOf(step));
          mark(
            step,
            key === undefined ? `said:${said}` : `layer:${key}`,
            ...(defined === undefined ? [] : [`defined:${defined}`]),
          );
          if (isCached || !explains) return;
          if (!whys.has(nameOf(step)))
            whys.set(
              nameOf(step),
              noCache
                ? { kind: "no-cache" }
                : explainSetting(step, said, earlier(step, "said"), changedBefore),
            );
          changedBefore ??= { kind: "step", name: oneLine(step.text) };
        },
      };
    },
    whyOf: (step) => whys.get(nameOf(step)),
    finish: () => projects.remember(ids, places),
  };
}

/** Triggers have the number of their FROM. */
function nameOf({ number, place }: BuildStep): string {
  return `${number} ${place.number}`;
}

function traceOf(step: BuildStep, made: MadeOf, base: StageBase): StepTrace {
  const { said, inputs, variables, origins, below } = made;
  return {
    text: oneLine(step.text),
    said,
    inputs,
    variables,
    origins,
    base: below === undefined ? null : base,
    below: below ?? [],
  };
}

/** Of a step of which no more is known: copied files are named as they are where they come from. */
function definedTraceOf(step: BuildStep, made: MadeOf, base: StageBase, { inputs }: Definition): StepTrace {
  return traceOf(step, { ...made, inputs, variables: [], origins: [["", ""]] }, base);
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, " ");
}

function marksOf(project: Project | undefined, place: Omit<Place, "marks">, kind: string): string[] {
  const marks = project?.marksAt(place) ?? [];
  return marks.flatMap((mark) => (mark.startsWith(`${kind}:`) ? [mark.slice(kind.length + 1)] : []));
}

function changed(differences: readonly Difference[]): Why {
  return { kind: "changed", differences: differences.slice(0, TOLD), total: differences.length };
}

function changedBase({ name, id }: StageBase, earlier: readonly string[]): Difference | undefined {
  const [before] = earlier;
  if (before === undefined || earlier.includes(id)) return undefined;
  return { kind: "base", name, before, after: id };
}

async function explainLayer(
  shelf: TraceShelf,
  trace: StepTrace,
  key: string,
  earlier: readonly string[],
): Promise<Why> {
  if ((await shelf.get(key)) !== undefined) return { kind: "pruned" };
  const now = compactTrace(trace);
  const known = (await Promise.all(earlier.map((each) => shelf.get(each)))).filter(
    (each) => each !== undefined,
  );
  // The same instruction with other inputs is nearer than another instruction at its place.
  const same = known.filter(({ text }) => text === now.text);
  const [nearest] = (same.length > 0 ? same : known.slice(0, 1))
    .map((before) => differencesOf(before, now))
    .sort((a, b) => a.length - b.length);
  return nearest === undefined || nearest.length === 0 ? { kind: "new" } : changed(nearest);
}

function explainSetting(
  { text }: BuildStep,
  said: string,
  earlier: readonly string[],
  changedBefore: Difference | undefined,
): Why {
  const [before] = earlier;
  if (before === undefined) return { kind: "new" };
  if (!earlier.includes(said))
    return changed([{ kind: "instruction", name: oneLine(text), before, after: said }]);
  return changedBefore === undefined ? { kind: "pruned" } : changed([changedBefore]);
}
