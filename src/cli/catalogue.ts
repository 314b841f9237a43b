import { CONTAINERS } from "./catalogue/containers.ts";
import { ENGINE } from "./catalogue/engine.ts";
import { IMAGES } from "./catalogue/images.ts";
import { REGISTRIES } from "./catalogue/registries.ts";
import type { Verb } from "./catalogue/verb.ts";

const VERBS = { Containers: CONTAINERS, Images: IMAGES, Registries: REGISTRIES, Engine: ENGINE } as const;

export type Section = keyof typeof VERBS;

export const SECTIONS = Object.keys(VERBS) as Section[];

export interface CatalogueEntry extends Verb {
  readonly section: Section;
}

/** Groups of verbs. */
export const GROUPS: Readonly<Record<string, string>> = {
  builder: "Manage what builds keep",
  buildx: "As ply builder: there is one builder, which needs no set-up",
  cache: "Manage the directories of RUN --mount=type=cache",
  container: "Manage containers",
  image: "Manage images",
  network: "Manage networks",
  snapshot: "Keep containers and their volumes as they are, to go back to",
  system: "Manage the engine and its store",
  volume: "Manage volumes",
};

export const CATALOGUE: readonly CatalogueEntry[] = SECTIONS.flatMap((section) =>
  VERBS[section].map((verb) => ({ ...verb, section })),
);

/** The command these words begin with, and the words after its name. */
export function findCommand(
  words: readonly string[],
): { readonly entry: CatalogueEntry; readonly name: string; readonly rest: readonly string[] } | undefined {
  for (const length of [2, 1]) {
    const name = words.slice(0, length).join(" ");
    if (words.length < length) continue;
    const entry = CATALOGUE.find(({ names }) => names.includes(name));
    if (entry !== undefined) return { entry, name, rest: words.slice(length) };
  }
  return undefined;
}

/** The verbs of a group with the words that call them: `ls`, `inspect`. */
export function verbsOf(group: string): { readonly verb: string; readonly entry: CatalogueEntry }[] {
  const verbs = CATALOGUE.flatMap((entry) => {
    const name = entry.names.find((each) => each.startsWith(`${group} `));
    return name === undefined ? [] : [{ verb: name.slice(group.length + 1), entry }];
  });
  return verbs.sort((a, b) => (a.verb < b.verb ? -1 : 1));
}

/** The words that may come first: commands and groups. */
export function firstWords(): string[] {
  return [
    ...CATALOGUE.flatMap(({ names }) => names.filter((name) => !name.includes(" "))),
    ...Object.keys(GROUPS),
  ];
}
