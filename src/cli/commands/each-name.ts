import type { Output } from "../output/index.ts";

/** How many requests one command has under way at once. */
const AT_ONCE = 8;

/** Does the same to each name, several at a time; prints what it returns, in the order of the names, then the errors. */
export async function eachName(
  names: readonly string[],
  act: (name: string) => Promise<readonly string[]>,
): Promise<Output> {
  const results: (readonly string[])[] = [];
  const errors: unknown[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < names.length) {
      const at = next++;
      try {
        results[at] = await act(names[at] ?? "");
      } catch (error) {
        errors.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, names.length) }, work));
  return { kind: "lines", lines: results.flat(), errors };
}
