/** Values that one side puts in and the other takes out, in order. Bounding what is in it is up to who puts. */
export interface Channel<Value> extends AsyncIterable<Value> {
  put(value: Value): void;
  /** No more come. */
  end(): void;
}

export function createChannel<Value>(): Channel<Value> {
  const values: Value[] = [];
  let isEnded = false;
  let wake: (() => void) | undefined;
  const waken = () => {
    wake?.();
    wake = undefined;
  };
  return {
    put(value) {
      values.push(value);
      waken();
    },
    end() {
      isEnded = true;
      waken();
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        yield* values.splice(0);
        if (values.length > 0) continue;
        if (isEnded) return;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}
