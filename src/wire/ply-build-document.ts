import type { PlyBuildAnswer, PlyBuildLines } from "./ply-build-call.ts";

/** An answer in the shape of BuildKit's subrequests, which tools read (`--call=check,format=json`). */
export function answerDocument(answer: PlyBuildAnswer): object {
  const data = Buffer.from(answer.dockerfile.text).toString("base64");
  switch (answer.type) {
    case "check": {
      const { name } = answer.dockerfile;
      const { warnings, error } = answer;
      return {
        warnings: warnings.map(({ rule, description, url, message, ...lines }) => ({
          ruleName: rule,
          description,
          url,
          detail: message,
          location: locationOf(lines),
        })),
        sources: [{ filename: name, language: "Dockerfile", data }],
        ...(error === undefined
          ? {}
          : { buildError: { message: error.message, location: locationOf(error) } }),
      };
    }
    case "outline":
      return {
        name: answer.name,
        description: answer.description,
        args: listOf(answer.args, ({ name, description, value }) => ({ name, description, value })),
        secrets: listOf(answer.secrets, requirement),
        ssh: listOf(answer.ssh, requirement),
        cache: listOf(answer.caches, ({ name }) => ({ ID: name })),
        sources: [data],
      };
    case "targets":
      return {
        targets: listOf(answer.targets, ({ isDefault, ...target }) => ({
          name: target.name,
          ...(isDefault ? { default: true } : {}),
          description: target.description,
          base: target.base,
          platform: target.platform,
        })),
        sources: [data],
      };
  }
}

function requirement({ name, isRequired }: { readonly name: string; readonly isRequired: boolean }): object {
  return isRequired ? { name, required: true } : { name };
}

/** Undefined for none: the field is left out then. */
function listOf<Item extends PlyBuildLines>(
  items: readonly Item[],
  toObject: (item: Item) => object,
): readonly object[] | undefined {
  if (items.length === 0) return undefined;
  return items.map((item) => ({ ...toObject(item), location: locationOf(item) }));
}

function locationOf({ line, endLine = line }: Partial<PlyBuildLines>): object {
  if (line === undefined) return {};
  return { ranges: [{ start: { line }, end: { line: endLine } }] };
}
