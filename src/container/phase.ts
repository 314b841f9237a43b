/** Measures the parts of something that takes long: milliseconds by name, to the hundredth. */
export interface Stopwatch {
  /** Ends the current part and gives it its name. */
  lap(name: string): void;
  readonly laps: Readonly<Record<string, number>>;
}

export function stopwatch(): Stopwatch {
  const laps: Record<string, number> = {};
  let last = performance.now();
  return {
    lap(name) {
      const now = performance.now();
      laps[name] = Math.round((now - last) * 100) / 100;
      last = now;
    },
    laps,
  };
}
