import { createHash } from "node:crypto";
import type { ImageId } from "../../../oci/index.ts";
import { definition, op } from "./op-messages.ts";
import type { Definition } from "./order.ts";

/** Results of builds as graphs of one operation: a client that gives one to another build (`target:` of bake) passes it on as it is. */
const PREFIX = "ply-image://";

export function definitionOfImage(id: ImageId): Definition {
  const source = op.encode({ source: { identifier: `${PREFIX}${id}` } });
  const digest = `sha256:${createHash("sha256").update(source).digest("hex")}`;
  // The last operation only says which one is meant.
  const end = op.encode({ inputs: [{ digest, index: 0 }] });
  // Without any metadata clients take it for nothing.
  return definition.decode(definition.encode({ ops: [source, end], metadata: new Map([[digest, {}]]) }));
}

/** The image that a definition of ours stands for; undefined: it is another's. */
export function imageOfDefinition(given: Definition | undefined): string | undefined {
  for (const bytes of given?.ops ?? []) {
    const { source } = op.decode(bytes);
    if (source?.identifier.startsWith(PREFIX) === true) return source.identifier.slice(PREFIX.length);
  }
  return undefined;
}
