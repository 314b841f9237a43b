import { isPlyError, PlyError } from "../../error.ts";
import type { CommandContext } from "../command.ts";
import type { Output } from "../output/index.ts";
import { segment } from "./ids.ts";

export type InspectType = "container" | "image" | "volume" | "network";

const PATHS: Readonly<Record<InspectType, (name: string) => string>> = {
  container: (name) => `/containers/${name}/json`,
  image: (name) => `/images/${name}/json`,
  volume: (name) => `/volumes/${name}`,
  network: (name) => `/networks/${name}`,
};

/** Shows each object found; those that were not are errors. Kinds are tried in the order given. */
export async function inspectObjects(
  { engine }: CommandContext,
  names: readonly string[],
  options: {
    readonly types: readonly InspectType[];
    readonly format?: string | undefined;
    readonly size: boolean;
  },
): Promise<Output> {
  const get = (type: InspectType, name: string): Promise<unknown> =>
    engine.json(
      "GET",
      PATHS[type](segment(name)),
      type === "container" ? { query: { size: options.size } } : {},
    );
  return inspectEach(names, (name) => firstFound(options.types, name, get), options.format);
}

/** What is found of each name, and why the others were not. */
export async function inspectEach(
  names: readonly string[],
  find: (name: string) => Promise<unknown>,
  format: string | undefined,
): Promise<Output> {
  const values: unknown[] = [];
  const errors: unknown[] = [];
  for (const name of names)
    try {
      values.push(await find(name));
    } catch (error) {
      errors.push(error);
    }
  return { kind: "documents", values, errors, ...(format === undefined ? {} : { format }) };
}

async function firstFound(
  types: readonly InspectType[],
  name: string,
  get: (type: InspectType, name: string) => Promise<unknown>,
): Promise<unknown> {
  for (const type of types)
    try {
      return await get(type, name);
    } catch (error) {
      if (!isPlyError(error, "not-found") || types.length === 1) throw error;
    }
  throw new PlyError("not-found", `No such object: ${name}`);
}
