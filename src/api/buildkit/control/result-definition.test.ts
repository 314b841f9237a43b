import assert from "node:assert/strict";
import { test } from "node:test";
import { op } from "./op-messages.ts";
import { definitionOfImage, imageOfDefinition } from "./result-definition.ts";

test("an image goes out as a graph of one operation and comes back", () => {
  const id = `sha256:${"a".repeat(64)}` as const;
  const definition = definitionOfImage(id as Parameters<typeof definitionOfImage>[0]);
  assert.equal(imageOfDefinition(definition), id);
  // Clients look at the input of the last operation, and want metadata.
  const [source, end] = definition.ops;
  assert.equal(op.decode(end ?? new Uint8Array()).inputs[0]?.digest, [...definition.metadata.keys()][0]);
  assert.equal(op.decode(source ?? new Uint8Array()).source?.identifier, `ply-image://${id}`);
  const foreign = op.encode({ source: { identifier: "docker-image://x" } });
  assert.equal(imageOfDefinition({ ops: [foreign], metadata: new Map() }), undefined);
  assert.equal(imageOfDefinition(undefined), undefined);
});
