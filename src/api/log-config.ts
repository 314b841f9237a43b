import { type HostOptions, resolveLogging } from "../container/index.ts";
import { isObject } from "../oci/index.ts";
import { type Fields, fieldsOf, stringMap, text } from "./fields.ts";

/** Drivers of Docker's that send logs elsewhere: a log is kept here instead, and the user told. */
const REMOTE_DRIVERS = new Set([
  "syslog",
  "journald",
  "gelf",
  "fluentd",
  "awslogs",
  "splunk",
  "gcplogs",
  "etwlogs",
]);

/** True for a `LogConfig` that names one of them. */
export function isRemoteLogDriver(config: unknown): boolean {
  return isObject(config) && typeof config["Type"] === "string" && REMOTE_DRIVERS.has(config["Type"]);
}

/** `HostConfig.LogConfig`. */
export function loggingOf(hostConfig: Fields): Pick<HostOptions, "logging"> {
  const config = fieldsOf(hostConfig, "LogConfig");
  const driver = text(config, "Type");
  if (isRemoteLogDriver(config)) return {};
  const options = stringMap(config, "Config");
  return driver === "" && Object.keys(options).length === 0 ? {} : { logging: { driver, options } };
}

/** As `inspect` shows it, defaults filled in. */
export function logConfig({ logging }: HostOptions) {
  const { driver, options } = resolveLogging(logging);
  return { LogConfig: { Type: driver, Config: options } };
}
