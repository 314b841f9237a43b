/** One piece of what a process printed. With a terminal everything is stdout. */
export interface OutputChunk {
  readonly stream: "stdout" | "stderr";
  readonly bytes: Uint8Array;
}

/** One connection to conmon's attach socket: everything the process prints from now on. */
export interface RuntimeStreams extends AsyncDisposable {
  /** Ends when the container has exited and all was read. A slow reader slows the process down, and loses nothing. */
  readonly output: AsyncIterable<OutputChunk>;
  /** Resolves when conmon has taken the bytes. Throws "conflict" when the container has gone. */
  write(bytes: Uint8Array): Promise<void>;
  /** Half-close: the process reads end of file. */
  end(): Promise<void>;
}
