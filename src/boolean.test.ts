import assert from "node:assert/strict";
import { test } from "node:test";
import { parseBoolean } from "./boolean.ts";

test("truth values are Go's words, and no others", () => {
  for (const word of ["1", "t", "T", "true", "TRUE", "True"]) assert.equal(parseBoolean(word), true, word);
  for (const word of ["0", "f", "F", "false", "FALSE", "False"])
    assert.equal(parseBoolean(word), false, word);
  for (const word of ["", "yes", "on", "tRUE", " true", "true\n", "2"])
    assert.equal(parseBoolean(word), undefined, word);
});
