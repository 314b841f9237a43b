import { readFileSync } from "node:fs";
import { Ajv, type ValidateFunction } from "ajv";
import { parse } from "yaml";

/** Docker's published description of its API: reference data, which is not kept in this repository. */
export const DESCRIPTION_FILE = new URL("../../../shared/docker-engine-api.yaml", import.meta.url).pathname;

type Schema = { readonly [key: string]: unknown };

interface Operation {
  readonly produces: readonly string[];
  /** By status; undefined where no body is described. */
  readonly responses: ReadonlyMap<number, Schema | undefined>;
}

/** What came back for one request. */
export interface Answer {
  readonly status: number;
  readonly contentType: string;
  /** Parsed JSON, or undefined for anything else. */
  readonly json: unknown;
}

export interface ApiDescription {
  /** `GET /containers/{id}/json`, in the order of the file. */
  readonly operations: readonly string[];
  /** What is wrong with an answer, one sentence each; nothing when it is as described. */
  check(operation: string, answer: Answer): string[];
  /** Fields that some answer could have had and none did: `ContainerSummary.Names`. */
  fieldsNeverSeen(): string[];
}

/** Reads Swagger 2.0 as Docker writes it. */
export function readApiDescription(path: string): ApiDescription {
  const root = parse(readFileSync(path, "utf8"), { maxAliasCount: -1 }) as Schema;
  const definitions = objectOf(root["definitions"]);
  const shared = objectOf(root["responses"]);
  const operations = new Map<string, Operation>();
  for (const [template, methods] of Object.entries(objectOf(root["paths"])))
    for (const [method, operation] of Object.entries(objectOf(methods))) {
      if (method === "parameters") continue;
      const { produces = root["produces"], responses } = objectOf(operation);
      operations.set(`${method.toUpperCase()} ${template}`, {
        produces: produces as string[],
        responses: new Map(
          Object.entries(objectOf(responses)).map(([status, given]) => {
            const ref = objectOf(given)["$ref"];
            const response = typeof ref === "string" ? objectOf(shared[nameOf(ref)]) : objectOf(given);
            return [Number(status), response["schema"] as Schema | undefined];
          }),
        ),
      });
    }

  const ajv = new Ajv({ strict: false, allErrors: true, formats: FORMATS });
  for (const [name, schema] of Object.entries(definitions))
    ajv.addSchema(jsonSchema(schema) as object, `#/definitions/${name}`);
  const validators = new Map<Schema, ValidateFunction>();
  const fields = new Map<string, boolean>();

  /** Walks a value along its schema and marks which of the described fields it has. */
  function mark(schema: Schema, value: unknown, name: string): void {
    const ref = schema["$ref"];
    if (typeof ref === "string") {
      mark(objectOf(definitions[nameOf(ref)]), value, nameOf(ref));
      return;
    }
    for (const part of (schema["allOf"] as Schema[] | undefined) ?? []) mark(part, value, name);
    if (Array.isArray(value)) {
      for (const item of value) mark(objectOf(schema["items"]), item, `${name}[]`);
      return;
    }
    if (typeof value !== "object" || value === null) return;
    const given = value as Schema;
    for (const [field, inner] of Object.entries(objectOf(schema["properties"]))) {
      const key = `${name}.${field}`;
      fields.set(key, (fields.get(key) ?? false) || field in given);
      if (field in given) mark(inner as Schema, given[field], key);
    }
    const others = schema["additionalProperties"];
    if (typeof others === "object" && others !== null)
      for (const inner of Object.values(given)) mark(others as Schema, inner, `${name}{}`);
  }

  return {
    operations: [...operations.keys()],
    check(name, { status, contentType, json }) {
      const operation = operations.get(name);
      if (operation === undefined) return [`${name}: not described`];
      if (!operation.responses.has(status)) return [`${name}: ${status} is not described`];
      const schema = operation.responses.get(status);
      if (status >= 400 || operation.produces.includes("application/json")) {
        if (schema !== undefined && contentType !== "application/json")
          return [`${name}: ${status} has content type ${JSON.stringify(contentType)}`];
      } else if (schema !== undefined && !operation.produces.includes(contentType.split(";")[0] ?? ""))
        return [`${name}: content type ${JSON.stringify(contentType)}, not one of ${operation.produces}`];
      if (schema === undefined || json === undefined) return [];
      let validate = validators.get(schema);
      if (validate === undefined) {
        validate = ajv.compile(jsonSchema(schema) as object);
        validators.set(schema, validate);
      }
      if (status < 400) mark(schema, json, name);
      if (validate(json)) return [];
      return (validate.errors ?? []).map(
        ({ instancePath, message, params }) =>
          `${name}: ${status} ${instancePath || "/"} ${message} ${JSON.stringify(params)}`,
      );
    },
    fieldsNeverSeen: () => [...fields].flatMap(([field, seen]) => (seen ? [] : [field])).sort(),
  };
}

/** What Docker itself answers with null when it is not set (Go's nil), whatever it publishes. */
const NULL_IN_DOCKER: ReadonlySet<string> = new Set([
  "Aliases",
  "Authorization",
  "BlkioDeviceReadBps",
  "BlkioDeviceReadIOps",
  "BlkioDeviceWriteBps",
  "BlkioDeviceWriteIOps",
  "BlkioWeightDevice",
  "CapAdd",
  "CapDrop",
  "DNSNames",
  "Data",
  "DeviceCgroupRules",
  "Entrypoint",
  "ExitCode",
  "ExtraHosts",
  "GenericResources",
  "GroupAdd",
  "ImagesDeleted",
  "Labels",
  "Links",
  "MemorySwappiness",
  "Mirrors",
  "OomKillDisable",
  "Options",
  "SecurityOpt",
  "Volumes",
  "VolumesFrom",
  "Warnings",
]);

/** Swagger 2.0 says null by an extension of Docker's; JSON Schema by a type. */
function jsonSchema(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(jsonSchema);
  if (typeof schema !== "object" || schema === null) return schema;
  const result: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(schema)) {
    if (key === "example" || key === "description" || key === "title" || key === "default") continue;
    result[key] = key === "enum" ? value : jsonSchema(value);
  }
  const properties = result["properties"];
  if (typeof properties === "object" && properties !== null) {
    result["type"] ??= "object";
    for (const [name, inner] of Object.entries(properties))
      if (NULL_IN_DOCKER.has(name))
        (properties as Record<string, unknown>)[name] = { anyOf: [inner, { type: "null" }] };
  }
  if ("x-nullable" in schema && schema["x-nullable"] === true) return { anyOf: [result, { type: "null" }] };
  return result;
}

const DATE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;
const isDate = (text: string): boolean => text === "" || DATE.test(text);
const isWithin = (bits: number) => (value: number) => value >= 0 && value < 2 ** bits;
const anything = (): boolean => true;
const FORMATS = {
  dateTime: isDate,
  "date-time": isDate,
  "ip-address": (text: string) => text === "" || /^[0-9a-fA-F.:]+$/.test(text),
  CIDR: (text: string) => text === "" || /^[0-9a-fA-F.:]+\/\d+$/.test(text),
  cidr: anything,
  uint8: { type: "number" as const, validate: isWithin(8) },
  uint16: { type: "number" as const, validate: isWithin(16) },
  uint32: { type: "number" as const, validate: isWithin(32) },
  uint64: { type: "number" as const, validate: isWithin(64) },
  int64: anything,
  int: anything,
  binary: anything,
  json: anything,
  uri: anything,
};

function objectOf(value: unknown): Schema {
  return typeof value === "object" && value !== null ? (value as Schema) : {};
}

function nameOf(ref: string): string {
  return ref.slice(ref.lastIndexOf("/") + 1);
}
