import { PlyError } from "../error.ts";
import { asArray, asObject, asString, asStringMap, asStrings, isObject } from "../oci/index.ts";

/** What a device changes of a container (CDI, "containerEdits"). */
export interface CdiEdits {
  /** `NAME=value`. */
  readonly env: readonly string[];
  readonly deviceNodes: readonly CdiNode[];
  readonly mounts: readonly CdiMount[];
  readonly hooks: readonly CdiHook[];
  readonly additionalGids: readonly number[];
}

export interface CdiNode {
  readonly path: string;
  /** Where it is on this host; absent: at `path`. */
  readonly hostPath?: string;
  readonly fileMode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Of `rwm`. */
  readonly permissions: string;
}

export interface CdiMount {
  readonly hostPath: string;
  readonly containerPath: string;
  readonly type: string;
  readonly options: readonly string[];
}

export interface CdiHook {
  /** As the OCI runtime specification calls it: `createContainer`. */
  readonly hookName: string;
  readonly path: string;
  readonly args: readonly string[];
  readonly env: readonly string[];
  /** Seconds. */
  readonly timeout?: number;
}

/** A specification file: what devices of one kind need. */
export interface CdiSpec {
  /** `vendor.com/class`. */
  readonly kind: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly devices: readonly {
    readonly name: string;
    readonly annotations: Readonly<Record<string, string>>;
    readonly edits: CdiEdits;
  }[];
  /** For any of them, once. */
  readonly edits: CdiEdits;
}

const KIND = /^[A-Za-z0-9][A-Za-z0-9_.-]*\/[A-Za-z0-9][A-Za-z0-9_.-]*$/;
const NAME = /^[A-Za-z0-9](?:[A-Za-z0-9_.:-]*[A-Za-z0-9])?$/;
const HOOKS = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];
const MAX_ITEMS = 10_000;

/** Reads what a specification file says (CDI 0.3 to 1.1). Throws "invalid" naming the field. */
export function parseCdiSpec(value: unknown): CdiSpec {
  const spec = asObject(value, "the specification");
  asString(spec["cdiVersion"], "cdiVersion");
  const kind = asString(spec["kind"], "kind");
  if (!KIND.test(kind)) throw new PlyError("invalid", `kind ${JSON.stringify(kind)} is not vendor/class`);
  return {
    kind,
    annotations: annotationsOf(spec["annotations"]),
    edits: editsOf(spec["containerEdits"]),
    devices: listOf(spec["devices"], "devices", (each) => {
      const name = asString(each["name"], "devices: name");
      if (!NAME.test(name))
        throw new PlyError("invalid", `a device cannot be called ${JSON.stringify(name)}`);
      return {
        name,
        annotations: annotationsOf(each["annotations"]),
        edits: editsOf(each["containerEdits"]),
      };
    }),
  };
}

function annotationsOf(value: unknown): Readonly<Record<string, string>> {
  return value === undefined || value === null ? {} : asStringMap(value, "annotations");
}

function editsOf(value: unknown): CdiEdits {
  const edits = value === undefined || value === null ? {} : asObject(value, "containerEdits");
  if (listOf(edits["netDevices"], "netDevices", (each) => each).length > 0 || isObject(edits["intelRdt"]))
    throw new PlyError("unsupported", "netDevices and intelRdt are not supported");
  return {
    env: stringsOf(edits["env"], "env"),
    deviceNodes: listOf(edits["deviceNodes"], "deviceNodes", nodeOf),
    mounts: listOf(edits["mounts"], "mounts", (each) => ({
      hostPath: asString(each["hostPath"], "mounts: hostPath"),
      containerPath: asString(each["containerPath"], "mounts: containerPath"),
      type: each["type"] === undefined ? "bind" : asString(each["type"], "mounts: type"),
      options: stringsOf(each["options"], "mounts: options"),
    })),
    hooks: listOf(edits["hooks"], "hooks", hookOf),
    additionalGids: numbersOf(edits["additionalGids"] ?? edits["additionalGIDs"]),
  };
}

function nodeOf(each: Readonly<Record<string, unknown>>): CdiNode {
  const hostPath = each["hostPath"];
  return {
    path: asString(each["path"], "deviceNodes: path"),
    ...(hostPath === undefined || hostPath === "" ? {} : { hostPath: asString(hostPath, "hostPath") }),
    ...numberField(each, "fileMode"),
    ...numberField(each, "uid"),
    ...numberField(each, "gid"),
    permissions: each["permissions"] ? asString(each["permissions"], "permissions") : "rwm",
  };
}

function hookOf(each: Readonly<Record<string, unknown>>): CdiHook {
  const hookName = asString(each["hookName"], "hooks: hookName");
  if (!HOOKS.includes(hookName))
    throw new PlyError("invalid", `there is no hook ${JSON.stringify(hookName)}`);
  return {
    hookName,
    path: asString(each["path"], "hooks: path"),
    args: stringsOf(each["args"], "hooks: args"),
    env: stringsOf(each["env"], "hooks: env"),
    ...numberField(each, "timeout"),
  };
}

function numberField<Name extends string>(
  from: Readonly<Record<string, unknown>>,
  name: Name,
): Partial<Record<Name, number>> {
  const value = from[name];
  if (value === undefined || value === null) return {};
  return { [name]: numberOf(value, name) } as Record<Name, number>;
}

function numberOf(value: unknown, name: string): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0)
    throw new PlyError("invalid", `${name} is not a whole number from 0 up`);
  return value;
}

function numbersOf(value: unknown): number[] {
  if (value === undefined || value === null) return [];
  return asArray(value, "additionalGids", MAX_ITEMS).map((each) => numberOf(each, "additionalGids"));
}

function stringsOf(value: unknown, name: string): readonly string[] {
  return value === undefined || value === null ? [] : asStrings(value, name, MAX_ITEMS);
}

function listOf<T>(
  value: unknown,
  name: string,
  read: (each: Readonly<Record<string, unknown>>) => T,
): readonly T[] {
  if (value === undefined || value === null) return [];
  return asArray(value, name, MAX_ITEMS).map((each) => read(asObject(each, name)));
}
