/** What cannot be made is none: somebody else says what is wrong with it, in their own words. */
export function attempt<Value, Otherwise = undefined>(
  make: () => Value,
  otherwise?: Otherwise,
): Value | Otherwise {
  try {
    return make();
  } catch {
    return otherwise as Otherwise;
  }
}
