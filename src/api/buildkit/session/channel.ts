/** Values that one side puts in and the other takes out, in order. Bounding what is in it is up to who puts. */
export interface Channel<Value> extends AsyncIterable<Value> {
  put(value: Value): void;
  /** No more come. */
  end(): void;
  /** The next one; undefined: there is none now. */
  take(): Value | undefined;
  readonly isEnded: boolean;
  /** Resolves when there is one to take, or no more come. */
  changed(): Promise<void>;
}

export function createChannel<Value>(): Channel<Value> {
  const values: Value[] = [];
  let isEnded = false;
  let wake: (() => void) | undefined;
  const changed = async (): Promise<void> => {
    if (isEnded || values.length > 0) return;
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  };
  return {
    put(value) {
      values.push(value);
      wake?.();
    },
    end() {
      isEnded = true;
      wake?.();
    },
    take: () => values.shift(),
    get isEnded() {
      return isEnded;
    },
    changed,
    async *[Symbol.asyncIterator]() {
      while (!isEnded || values.length > 0) {
        yield* values.splice(0);
        await changed();
      }
    },
  };
}
