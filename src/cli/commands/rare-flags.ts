import { isCdiName } from "../../cdi/index.ts";
import type { DockerDeviceLimit, DockerDeviceRequest, DockerHostConfig } from "../../wire/index.ts";
import { UsageError } from "../failure.ts";
import type { FlagSpecs, FlagValues } from "../flags.ts";
import { memoryBytes } from "./memory-size.ts";

/** Of `run` and `create`: what is said once at a container's creation, and seldom. */
export const RARE_FLAGS = {
  "blkio-weight-device": { kind: "list", value: "DEVICE:WEIGHT", help: "Block I/O weight on a device" },
  "device-read-bps": { kind: "list", value: "DEVICE:RATE", help: "Bytes a second read from a device: 1mb" },
  "device-write-bps": { kind: "list", value: "DEVICE:RATE", help: "Bytes a second written to a device" },
  "device-read-iops": { kind: "list", value: "DEVICE:RATE", help: "Reads a second from a device" },
  "device-write-iops": { kind: "list", value: "DEVICE:RATE", help: "Writes a second to a device" },
  "memory-swappiness": {
    kind: "int",
    value: "0..100",
    help: "How readily its memory is swapped out; -1: as usual",
  },
  "oom-kill-disable": { kind: "bool", help: "Out of memory, it waits instead of being killed" },
  "kernel-memory": { kind: "string", value: "BYTES", help: "Has no effect any more" },
  gpus: { kind: "string", value: "REQUEST", help: "GPUs: all, a number, device=ID" },
  runtime: { kind: "string", value: "NAME", help: "OCI runtime: crun, runc, or one the engine was told of" },
  "volume-driver": { kind: "string", value: "NAME", help: "Driver of its volumes: local" },
} as const satisfies FlagSpecs;

type RareFlags = FlagValues<typeof RARE_FLAGS>;

/** Fields of Docker's `HostConfig`, those that were asked for. Throws UsageError in Docker's words. */
export function rareFlagsHostConfig(
  flags: RareFlags & { readonly device: readonly string[] },
): DockerHostConfig {
  const described = flags.device.filter(isCdiName);
  const lists = {
    BlkioWeightDevice: flags["blkio-weight-device"].map(weightOf),
    BlkioDeviceReadBps: flags["device-read-bps"].map(bytesRateOf),
    BlkioDeviceWriteBps: flags["device-write-bps"].map(bytesRateOf),
    BlkioDeviceReadIOps: flags["device-read-iops"].map(countRateOf),
    BlkioDeviceWriteIOps: flags["device-write-iops"].map(countRateOf),
    DeviceRequests: [
      ...(flags.gpus === undefined ? [] : [parseGpus(flags.gpus)]),
      ...(described.length === 0
        ? []
        : [{ Driver: "cdi", Count: 0, DeviceIDs: described, Capabilities: [], Options: {} }]),
    ],
  };
  const kernelMemory = memoryBytes("kernel-memory", flags["kernel-memory"]);
  return {
    ...Object.fromEntries(Object.entries(lists).filter(([, list]) => list.length > 0)),
    ...(flags["memory-swappiness"] === undefined ? {} : { MemorySwappiness: flags["memory-swappiness"] }),
    ...(flags["oom-kill-disable"] ? { OomKillDisable: true } : {}),
    ...(kernelMemory === undefined ? {} : { KernelMemory: kernelMemory }),
    ...(flags.runtime === undefined ? {} : { Runtime: flags.runtime }),
    ...(flags["volume-driver"] === undefined ? {} : { VolumeDriver: flags["volume-driver"] }),
  };
}

function deviceOf(word: string): [path: string, value: string] {
  const colon = word.indexOf(":");
  if (colon < 0 || word.indexOf(":", colon + 1) >= 0) throw new UsageError(`bad format: ${word}`);
  const path = word.slice(0, colon);
  if (!path.startsWith("/dev/")) throw new UsageError(`bad format for device path: ${word}`);
  return [path, word.slice(colon + 1)];
}

function weightOf(word: string): DockerDeviceLimit & { readonly Weight: number } {
  const [Path, text] = deviceOf(word);
  const Weight = Number(text);
  if (!/^\d{1,4}$/.test(text) || (Weight !== 0 && (Weight < 10 || Weight > 1000)))
    throw new UsageError(`invalid weight for device: ${word}`);
  return { Path, Weight };
}

function bytesRateOf(word: string): DockerDeviceLimit & { readonly Rate: number } {
  const [Path, text] = deviceOf(word);
  if (!/^\d{1,15}(\.\d+)?\s*([kmgt]i?)?b?$/i.test(text))
    throw new UsageError(
      `invalid rate for device: ${word}. The correct format is <device-path>:<number>[<unit>]. Number must be a positive integer. Unit is optional and can be kb, mb, or gb`,
    );
  return { Path, Rate: memoryBytes("device-bps", text) };
}

function countRateOf(word: string): DockerDeviceLimit & { readonly Rate: number } {
  const [Path, text] = deviceOf(word);
  if (!/^\d{1,15}$/.test(text))
    throw new UsageError(
      `invalid rate for device: ${word}. The correct format is <device-path>:<number>. Number must be a positive integer`,
    );
  return { Path, Rate: Number(text) };
}

/** `all`, `2`, `device=0,1`, `"driver=nvidia,count=1,capabilities=…"`. Throws UsageError in Docker's words. */
export function parseGpus(word: string): DockerDeviceRequest {
  const wrong = (why: string) =>
    new UsageError(`invalid argument ${JSON.stringify(word)} for "--gpus" flag: ${why}`);
  const request = { Driver: "", Count: 0, DeviceIDs: [] as string[], Capabilities: [["gpu"]], Options: {} };
  const countOf = (text: string): number => {
    if (text === "all") return -1;
    if (!/^-?\d{1,9}$/.test(text))
      throw wrong(`invalid count (${text}): value must be either "all" or an integer`);
    return Number(text);
  };
  // Values with commas come quoted, as in CSV: `"device=0,1"`.
  const fields = [...word.matchAll(/"([^"]*)"|([^,"]+)/g)].map((match) => match[1] ?? match[2] ?? "");
  for (const field of fields) {
    const [key = "", value] = field.split(/=(.*)/s);
    if (value === undefined) request.Count = countOf(key);
    else if (key === "count") request.Count = countOf(value);
    else if (key === "driver") request.Driver = value;
    else if (key === "device") request.DeviceIDs = value.split(",");
    else if (key === "capabilities") request.Capabilities = [["gpu", ...value.split(",")]];
    else if (key === "options")
      request.Options = Object.fromEntries(value.split(",").map((each) => each.split("=")));
    else throw wrong(`unexpected key '${key}' in '${field}'`);
  }
  if (request.Count === 0 && request.DeviceIDs.length === 0) request.Count = 1;
  return request;
}
