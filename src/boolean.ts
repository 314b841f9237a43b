/** A truth value in the words of Go's `strconv.ParseBool`, which users of Docker write everywhere; undefined for any other word. */
export function parseBoolean(text: string): boolean | undefined {
  if (/^(?:1|t|T|true|TRUE|True)$/.test(text)) return true;
  if (/^(?:0|f|F|false|FALSE|False)$/.test(text)) return false;
  return undefined;
}
