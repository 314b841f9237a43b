import assert from "node:assert/strict";
import { test } from "node:test";
import { requireSize } from "./size.ts";

test("a flag's size is read, what is none is refused", () => {
  assert.equal(requireSize("20GB"), 20e9);
  assert.throws(() => requireSize("lots"), /invalid size "lots"/);
});
