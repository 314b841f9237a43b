import { randomUUID } from "node:crypto";
import { messageOf, PlyError } from "../error.ts";
import type { Session, Sessions, SessionsOptions } from "./sessions.ts";

/** What is kept of a session, so that the next engine can end it. */
interface Kept {
  readonly createdAt: number;
  /** Name of an image by what it meant before the session; null: nothing. */
  readonly names: Readonly<Record<string, string | null>>;
  readonly images: readonly string[];
}

/** Opens the sessions and ends, in the background, those that a killed engine left. */
export function openSessions(options: SessionsOptions): Sessions {
  const { records, owned, onTrouble } = options;
  const ending = new Map<string, Promise<void>>();
  const watchers = new Map<string, (() => void)[]>();
  const atWork = new Map<string, Set<Promise<unknown>>>();
  const kept = (id: string): Kept => {
    const found = records.get(id) as Kept | undefined;
    if (found === undefined || ending.has(id)) throw new PlyError("not-found", `no such session: ${id}`);
    return found;
  };

  /** One failure keeps nothing else from going. */
  async function attempt(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      onTrouble(`session: ${what} stays: ${messageOf(error)}`);
    }
  }

  async function removeAll(id: string): Promise<void> {
    await Promise.allSettled(atWork.get(id) ?? []);
    const { names, images } = records.get(id) as Kept;
    for (const { kind, of, remove } of owned)
      await Promise.all(of(id).map((name) => attempt(`${kind} ${name}`, () => remove(name))));
    for (const [name, before] of Object.entries(names))
      if (before === null && options.imageId(name) !== undefined)
        await attempt(`image ${name}`, () => options.removeImage(name));
    for (const image of images)
      if (options.imageId(image) !== undefined)
        await attempt(`image ${image}`, () => options.removeImage(image));
    records.delete(id);
  }

  function end(id: string): Promise<void> {
    const running = ending.get(id);
    if (running !== undefined) return running;
    kept(id);
    for (const tell of watchers.get(id) ?? []) tell();
    watchers.delete(id);
    const work = removeAll(id).finally(() => ending.delete(id));
    ending.set(id, work);
    return work;
  }

  for (const { key } of records.list()) void end(key);
  return {
    open() {
      const session: Session = { id: randomUUID(), createdAt: Date.now() };
      const { id, createdAt } = session;
      records.put(id, { createdAt, names: {}, images: [] } satisfies Kept);
      return session;
    },
    get: (id) => ({ id, createdAt: kept(id).createdAt }),
    list: () =>
      records
        .list()
        .filter(({ key }) => !ending.has(key))
        .map(({ key, value }) => ({ id: key, createdAt: (value as Kept).createdAt })),
    async during(id, work) {
      kept(id);
      const mine = atWork.get(id) ?? new Set();
      atWork.set(id, mine);
      const running = Promise.resolve().then(work);
      mine.add(running);
      try {
        return await running;
      } finally {
        mine.delete(running);
        if (mine.size === 0) atWork.delete(id);
      }
    },
    claimNames(id, names) {
      const session = records.get(id) as Kept;
      const fresh = names.filter((name) => !Object.hasOwn(session.names, name));
      if (fresh.length === 0) return;
      const before = fresh.map((name) => [name, options.imageId(name) ?? null] as const);
      records.put(id, { ...session, names: { ...session.names, ...Object.fromEntries(before) } });
    },
    claimImage(id, image) {
      const session = records.get(id) as Kept;
      if (!session.images.includes(image))
        records.put(id, { ...session, images: [...session.images, image] });
    },
    async end(id) {
      if (records.get(id) !== undefined) await end(id);
    },
    ended: (id) =>
      new Promise((resolve) => {
        kept(id);
        watchers.set(id, [...(watchers.get(id) ?? []), resolve]);
      }),
    async [Symbol.asyncDispose]() {
      await Promise.all(records.list().map(({ key }) => end(key)));
    },
  };
}
