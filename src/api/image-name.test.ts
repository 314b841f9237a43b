import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { canonicalString, familiarString, parseReference } from "../oci/index.ts";
import { familiarForm, referenceWithTag } from "./image-name.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;

describe("image names", () => {
  test("the familiar form agrees with the one of parsed references", () => {
    for (const name of [
      "nginx:1.27",
      "owner/app:v1",
      "ghcr.io/owner/app:v1",
      `localhost:5000/app@${DIGEST}`,
      "docker.io/example.com/app:v1",
      "docker.io/localhost/app:v1",
      "library/a/b:c",
      "[::1]:5000/app:v1",
    ]) {
      const reference = parseReference(name);
      assert.equal(familiarForm(canonicalString(reference)), familiarString(reference), name);
    }
  });

  test("a tag or digest may come in a parameter of its own, and wins", () => {
    assert.equal(referenceWithTag("nginx", "1.27").tag, "1.27");
    assert.equal(referenceWithTag("nginx:old", "new").tag, "new");
    assert.deepEqual(referenceWithTag("nginx", DIGEST), {
      domain: "docker.io",
      path: "library/nginx",
      digest: DIGEST,
    });
    assert.equal(referenceWithTag("nginx", null).tag, undefined);
    assert.equal(referenceWithTag("nginx:1.27", "").tag, "1.27");
    assert.throws(() => referenceWithTag("nginx", "no good"), /invalid reference format/);
  });
});
