import { familiarString } from "../../oci/index.ts";
import type { Records } from "../../store/index.ts";
import type { BuildOptions } from "../build.ts";
import { keyOf } from "./cache.ts";

/** A step's place: the stage and platform, and which instruction of it. */
export interface Place {
  readonly stage: string;
  readonly index: number;
  readonly text: string;
  /** What stood there: keys of layers, settings with their variables expanded, ids of images; the newest first. */
  readonly marks: readonly string[];
}

/** What earlier builds of one project had at each step. */
export interface Project {
  /** Marks of the same instruction, and of the one at the same place, of late; the newest first. */
  marksAt(place: Omit<Place, "marks">): string[];
  /** Whether anything of it is known. */
  readonly isKnown: boolean;
}

export interface Projects {
  /** `ids`: all that this build may be known by. */
  find(ids: readonly string[]): Project;
  /** Adds what a build had to all that it is known by. */
  remember(ids: readonly string[], places: readonly Place[]): void;
  /** Keeps those that were built last. */
  trim(): void;
}

interface ProjectRecord {
  readonly usedAt: number;
  readonly places: readonly Place[];
}

/** Builds that go to and fro between a few values are explained by the nearest of them. */
const MARKS = 4;
/** Of instructions that are there no more. */
const PLACES = 1_000;
const PROJECTS = 500;
/** A use is written down at most this often. */
const TOUCH_MS = 24 * 60 * 60 * 1000;

export function openProjects(records: Records, clock: () => number): Projects {
  const read = (id: string): ProjectRecord | undefined => records.get(id) as ProjectRecord | undefined;
  return {
    find(ids) {
      const known = ids.flatMap((id) => read(id)?.places ?? []);
      return {
        isKnown: known.length > 0,
        marksAt({ stage, index, text }) {
          const same = known.filter((place) => place.stage === stage && place.text === text);
          const here = known.filter((place) => place.stage === stage && place.index === index);
          return [...new Set([...same, ...here].flatMap(({ marks }) => marks))];
        },
      };
    },
    remember(ids, places) {
      if (places.length === 0) return;
      for (const id of ids) {
        const before = read(id);
        const after = mergedPlaces(before?.places ?? [], places);
        const now = clock();
        const isSame = before !== undefined && JSON.stringify(before.places) === JSON.stringify(after);
        if (isSame && now - before.usedAt < TOUCH_MS) continue;
        records.put(id, { usedAt: now, places: after } satisfies ProjectRecord);
      }
    },
    trim() {
      const all = records.list().map(({ key, value }) => ({ key, usedAt: (value as ProjectRecord).usedAt }));
      for (const { key } of all.sort((a, b) => b.usedAt - a.usedAt).slice(PROJECTS)) records.delete(key);
    },
  };
}

function mergedPlaces(before: readonly Place[], now: readonly Place[]): Place[] {
  const left = new Map(before.map((place) => [placeId(place), place]));
  const merged = now.map((place) => {
    const known = left.get(placeId(place))?.marks ?? [];
    left.delete(placeId(place));
    return { ...place, marks: [...new Set([...place.marks, ...known])].slice(0, MARKS) };
  });
  return [...merged, ...left.values()].slice(0, PLACES);
}

function placeId({ stage, index, text }: Place): string {
  return `${stage} ${index} ${text}`;
}

/** What a build may be known by: where its context is with its Dockerfile, and the names it gives. */
export function projectIds({ project, dockerfile, references = [] }: BuildOptions): string[] {
  const names = references.map(familiarString);
  const ids = [
    ...(project === undefined ? [] : [[project, dockerfile.name]]),
    ...names.map((name) => [name]),
  ];
  const all = ids.length === 0 ? [["", dockerfile.name]] : ids;
  return all.map((words) =>
    keyOf(
      "project",
      words.map((word) => ["", word]),
    ),
  );
}
