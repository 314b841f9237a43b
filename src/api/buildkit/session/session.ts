import type { Credentials } from "../../../registry/index.ts";

/** Which files of a client's directory are wanted, as BuildKit's clients understand it. */
export interface DirectoryFilter {
  /** Patterns of a `.dockerignore`, without exceptions: nothing else is sent. */
  readonly include?: readonly string[];
  /** Patterns of a `.dockerignore`. */
  readonly exclude?: readonly string[];
  /** Paths of which symbolic links are followed: what they lead to is sent too. */
  readonly followPaths?: readonly string[];
}

/** What a transfer came to so far. */
export interface TransferProgress {
  /** Bytes of contents. */
  readonly bytes: number;
  readonly files: number;
}

export interface SessionCallOptions {
  readonly signal?: AbortSignal;
}

export interface DirectoryOptions extends SessionCallOptions {
  /** Called often; tell of it less often. */
  readonly onProgress?: (progress: TransferProgress) => void;
}

/** A socket of this host behind which the client's agent answers; dispose it to end what goes through. */
export interface ForwardedAgent extends AsyncDisposable {
  readonly path: string;
}

/**
 * A client of BuildKit's protocol that lends its files, secrets, credentials and agents while it builds. Whatever comes
 * from it may be wrong or hostile. All calls throw "cancelled" once its connection ended.
 */
export interface BuildkitSession {
  readonly id: string;
  /** The same for all builds of a directory. */
  readonly sharedKey: string;
  /** Aborted when its connection ended. */
  readonly closed: AbortSignal;
  /** Whether the client answers a method (`/moby.filesync.v1.FileSync/DiffCopy`), in any case of letters. */
  supports(path: string): boolean;
  /**
   * A directory of the client's (`context`, `dockerfile`, the name of another context) as a tar archive. Throws
   * "not-found" where the client has none of that name, "invalid" for what is no proper transfer.
   */
  directory(
    name: string,
    filter: DirectoryFilter,
    options?: DirectoryOptions,
  ): AsyncGenerator<Uint8Array, void>;
  /** What the client offers at `http://buildkit-session/ID`: an archive or a Dockerfile from its stdin, as it is. Only once. */
  upload(address: string, options?: SessionCallOptions): AsyncGenerator<Uint8Array, void>;
  /** A blob of a content store that the client offers under this id. Throws "not-found". */
  content(store: string, digest: string, options?: SessionCallOptions): AsyncGenerator<Uint8Array, void>;
  /** What lets in to a registry, by the domain of an image's name; undefined: the client has nothing for it. */
  credentialsOf(domain: string, options?: SessionCallOptions): Promise<Credentials | undefined>;
  /** Undefined: the client has none of that id. */
  secret(id: string, options?: SessionCallOptions): Promise<Uint8Array | undefined>;
  /** Undefined: the client forwards none of that id (`default` where none is named). Dispose it after the build. */
  agent(id: string, options?: SessionCallOptions): Promise<ForwardedAgent | undefined>;
  /**
   * Gives the client one file (`--output type=oci`, `docker`, `tar`). `exporter`: the number of the output among those
   * asked for, 0 for the first. Throws "exists" when the client does not want it.
   */
  sendFile(
    content: AsyncIterable<Uint8Array>,
    options: SessionCallOptions & {
      readonly exporter: number;
      readonly metadata?: Readonly<Record<string, string>>;
    },
  ): Promise<void>;
  /** Gives the client a directory (`--output type=local`): the entries of a tar archive in the order of a walk. */
  sendDirectory(
    tar: AsyncIterable<Uint8Array>,
    options: SessionCallOptions & { readonly exporter: number },
  ): Promise<void>;
}

/** The sessions that are connected. */
export interface BuildkitSessions {
  /** Waits a few seconds for one that is still connecting; then throws "not-found". `id` may have a prefix `NAME:`. */
  get(id: string, options?: SessionCallOptions): Promise<BuildkitSession>;
}
