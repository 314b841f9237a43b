/** More is no search of a person's. */
const MAX_LENGTH = 1024;
/** A repetition of what repeats: trying all ways takes longer than anybody waits, and holds up everybody. */
const NESTED_REPETITION = /[+*}]\)?[+*{]/;

/** A regular expression of a client's, for short texts; undefined: it is none, or one that could take for ever. */
export function searchPattern(text: string): RegExp | undefined {
  if (text.length > MAX_LENGTH || NESTED_REPETITION.test(text)) return undefined;
  try {
    return new RegExp(text);
  } catch {
    return undefined;
  }
}
