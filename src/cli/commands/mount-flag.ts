import { resolve } from "node:path";
import { parseBoolean } from "../../boolean.ts";
import { parseMemorySize } from "../../byte-size.ts";
import type { DockerMount } from "../../wire/index.ts";
import { UsageError } from "../failure.ts";

/**
 * `--mount type=bind,source=/a,target=/b,readonly`, with Docker's keys and words. A source that starts with a dot
 * is meant from here.
 */
export function parseMountFlag(text: string): DockerMount {
  const wrong = (why: string): UsageError =>
    new UsageError(`invalid argument ${JSON.stringify(text)} for "--mount" flag: ${why}`);
  let type = "volume";
  let source = "";
  let target = "";
  let readOnly = false;
  const bind: Record<string, unknown> = {};
  const volume: Record<string, unknown> = {};
  const tmpfs: Record<string, unknown> = {};
  const image: Record<string, unknown> = {};
  const labels: Record<string, string> = {};
  const driverOptions: Record<string, string> = {};

  const truth = (key: string, value: string | undefined): boolean => {
    const read = value === undefined ? true : parseBoolean(value);
    if (read === undefined) throw wrong(`invalid value for '${key}': ${value}`);
    return read;
  };
  for (const field of splitFields(text, wrong)) {
    const equals = field.indexOf("=");
    const key = (equals < 0 ? field : field.slice(0, equals)).toLowerCase();
    const given = equals < 0 ? undefined : field.slice(equals + 1);
    const value = (): string => {
      if (given === undefined) throw wrong(`invalid field '${field}' must be a key=value pair`);
      return given;
    };
    if (key === "type") type = value().toLowerCase();
    else if (key === "source" || key === "src") source = value();
    else if (key === "target" || key === "dst" || key === "destination") target = value();
    else if (key === "readonly" || key === "ro") readOnly = truth(key, given);
    else if (key === "consistency") value();
    else if (key === "bind-propagation") bind["Propagation"] = value().toLowerCase();
    else if (key === "bind-nonrecursive") bind["NonRecursive"] = truth(key, given);
    else if (key === "bind-create-src") bind["CreateMountpoint"] = truth(key, given);
    else if (key === "bind-recursive") {
      if (value() === "disabled") bind["NonRecursive"] = true;
      else if (value() === "writable") bind["ReadOnlyNonRecursive"] = true;
      else if (value() === "readonly") bind["ReadOnlyForceRecursive"] = true;
      else if (value() !== "enabled") throw wrong(`invalid value for bind-recursive: ${value()}`);
    } else if (key === "volume-nocopy") volume["NoCopy"] = truth(key, given);
    else if (key === "volume-subpath") volume["Subpath"] = value();
    else if (key === "volume-label") {
      const [name = "", ...rest] = value().split("=");
      labels[name] = rest.join("=");
    } else if (key === "volume-driver") volume["DriverConfig"] = { Name: value() };
    else if (key === "volume-opt") {
      const [name = "", ...rest] = value().split("=");
      driverOptions[name] = rest.join("=");
    } else if (key === "image-subpath") image["Subpath"] = value();
    else if (key === "tmpfs-size") {
      tmpfs["SizeBytes"] = parseMemorySize(value());
      if (tmpfs["SizeBytes"] === undefined) throw wrong(`invalid value for ${key}: ${value()}`);
    } else if (key === "tmpfs-mode") {
      if (!/^[0-7]{1,5}$/.test(value())) throw wrong(`invalid value for ${key}: ${value()}`);
      tmpfs["Mode"] = Number.parseInt(value(), 8);
    } else throw wrong(`unknown option '${key}' in '${field}'`);
  }
  if (target === "") throw wrong("target is required");
  if (Object.keys(labels).length > 0) volume["Labels"] = labels;
  if (Object.keys(driverOptions).length > 0)
    volume["DriverConfig"] = { Name: "local", ...(volume["DriverConfig"] ?? {}), Options: driverOptions };
  const options = [
    ["bind", "BindOptions", bind],
    ["volume", "VolumeOptions", volume],
    ["tmpfs", "TmpfsOptions", tmpfs],
    ["image", "ImageOptions", image],
  ] as const;
  for (const [kind, , fields] of options)
    if (kind !== type && Object.keys(fields).length > 0)
      throw wrong(`cannot mix '${kind}-*' options with mount type '${type}'`);
  const isHere = type === "bind" && /^\.{1,2}(\/|$)/.test(source);
  return {
    Type: type,
    ...(source === "" ? {} : { Source: isHere ? resolve(source) : source }),
    Target: target,
    ...(readOnly ? { ReadOnly: true } : {}),
    ...Object.fromEntries(
      options.flatMap(([, name, fields]) => (Object.keys(fields).length === 0 ? [] : [[name, fields]])),
    ),
  };
}

/** One record of comma-separated values: a field with a comma stands in double quotes, a quote in it twice. */
function splitFields(text: string, wrong: (why: string) => UsageError): string[] {
  const fields: string[] = [];
  const field = /(?:"((?:[^"]|"")*)"|([^",]*))(,|$)/y;
  while (field.lastIndex <= text.length) {
    const match = field.exec(text);
    if (match === null) throw wrong("a quote is missing or in the wrong place");
    fields.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? "");
    if (match[3] === "") break;
  }
  return fields.filter((each) => each !== "");
}
