import type { Containers } from "./container/index.ts";
import { type ErrorKind, isPlyError } from "./error.ts";
import type { Images } from "./image/index.ts";
import type { Networks } from "./network/index.ts";
import { type Owned, openSessions, type Sessions } from "./session/index.ts";
import type { Store } from "./store/index.ts";
import type { Volumes } from "./volume/index.ts";
import { SESSION_LABEL } from "./wire/index.ts";

interface SessionParts {
  readonly images: Images;
  readonly containers: Containers;
  readonly networks: Networks;
  readonly volumes: Volumes;
  readonly store: Store;
  readonly onTrouble: (message: string) => void;
}

/** Tells the sessions what there is to own, by its label: containers first, they hold the others. */
export function joinSessions(parts: SessionParts): Sessions {
  const { store, images, containers, networks, volumes, onTrouble } = parts;
  const gone = ignoring("not-found");
  const owned: readonly Owned[] = [
    {
      kind: "container",
      of: (session) =>
        containers
          .list()
          .filter(({ process }) => process.labels[SESSION_LABEL] === session)
          .map(({ id }) => id),
      remove: (id) => containers.remove(id, { force: true, volumes: true }).catch(gone),
    },
    {
      kind: "network",
      of: (session) => labelled(networks.list(), session).map(({ id }) => id),
      remove: (id) => networks.remove(id).catch(gone),
    },
    {
      kind: "volume",
      of: (session) => labelled(volumes.list(), session).map(({ name }) => name),
      remove: (name) => volumes.remove(name).catch(gone),
    },
  ];
  return openSessions({
    records: store.records("session"),
    owned,
    imageId(name) {
      try {
        return images.resolve(name).id;
      } catch (error) {
        if (isPlyError(error, "not-found")) return undefined;
        throw error;
      }
    },
    async removeImage(name) {
      await images.remove(name, { force: false, noPrune: false }).catch(ignoring("not-found", "conflict"));
    },
    onTrouble,
  });
}

function labelled<T extends { readonly labels: Readonly<Record<string, string>> }>(
  all: readonly T[],
  session: string,
): T[] {
  return all.filter(({ labels }) => labels[SESSION_LABEL] === session);
}

function ignoring(...kinds: readonly ErrorKind[]): (error: unknown) => void {
  return (error) => {
    if (!kinds.some((kind) => isPlyError(error, kind))) throw error;
  };
}
