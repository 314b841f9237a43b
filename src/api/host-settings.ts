import type { DeviceWish, HostSettings, MountWish, ProcessOptions, Ulimit } from "../container/index.ts";
import { PlyError } from "../error.ts";
import type { Healthcheck } from "../oci/index.ts";
import type { DockerDeviceRequest } from "../wire/index.ts";
import { type Fields, fieldsOf, flag, integer, objects, stringMap, text, texts } from "./fields.ts";

/** The parts of Docker's HostConfig and Config that say what the host gives a process, there and back. */

/** Throws "invalid" for a field of the wrong type, "unsupported" for a mount of a kind that is not there. */
export function parseHostSettings(hostConfig: Fields): HostSettings {
  const onUnhealthy = text(hostConfig, "OnUnhealthy");
  if (!["", "none", "stop", "restart"].includes(onUnhealthy))
    throw new PlyError("invalid", `invalid OnUnhealthy: ${JSON.stringify(onUnhealthy)}`, {
      hint: "none, stop or restart",
    });
  checkDrivers(hostConfig);
  return filled({
    init: flag(hostConfig, "Init"),
    ulimits: objects(hostConfig, "Ulimits").map(ulimitOf),
    sysctls: stringMap(hostConfig, "Sysctls"),
    devices: objects(hostConfig, "Devices").map(deviceOf),
    cdiDevices: requestsOf(hostConfig)
      .filter(isCdi)
      .flatMap((request) => texts(request, "DeviceIDs") ?? []),
    deviceCgroupRules: texts(hostConfig, "DeviceCgroupRules") ?? [],
    groupAdd: texts(hostConfig, "GroupAdd") ?? [],
    extraHosts: texts(hostConfig, "ExtraHosts") ?? [],
    dns: texts(hostConfig, "Dns") ?? [],
    dnsSearch: texts(hostConfig, "DnsSearch") ?? [],
    dnsOptions: texts(hostConfig, "DnsOptions") ?? [],
    shmSize: integer(hostConfig, "ShmSize"),
    oomScoreAdj: integer(hostConfig, "OomScoreAdj"),
    tmpfs: stringMap(hostConfig, "Tmpfs"),
    mounts: objects(hostConfig, "Mounts").map(mountOf),
    volumesFrom: texts(hostConfig, "VolumesFrom") ?? [],
    ipcMode: text(hostConfig, "IpcMode"),
    pidMode: text(hostConfig, "PidMode"),
    utsMode: text(hostConfig, "UTSMode"),
    usernsMode: text(hostConfig, "UsernsMode"),
    cgroupnsMode: text(hostConfig, "CgroupnsMode"),
    cgroupParent: text(hostConfig, "CgroupParent"),
    runtime: text(hostConfig, "Runtime"),
    annotations: stringMap(hostConfig, "Annotations"),
    ...pathsOf(hostConfig),
    onUnhealthy: onUnhealthy as "" | "none" | "stop" | "restart",
  });
}

/** Devices that CDI specifications describe, as Docker asks for them. */
function cdiRequest(names: readonly string[]): DockerDeviceRequest {
  return { Driver: "cdi", Count: 0, DeviceIDs: names, Capabilities: [], Options: {} };
}

function requestsOf(hostConfig: Fields): readonly Fields[] {
  return objects(hostConfig, "DeviceRequests");
}

/** The one driver of devices there is; all that it takes are their names. */
function isCdi(request: Fields): boolean {
  return text(request, "Driver") === "cdi";
}

/** Throws in Docker's words for drivers that are not there. */
function checkDrivers(hostConfig: Fields): void {
  const driver = text(hostConfig, "VolumeDriver");
  if (driver !== "" && driver !== "local")
    throw new PlyError(
      "not-found",
      `error looking up volume plugin ${driver}: plugin "${driver}" not found`,
      {
        hint: "the driver of all volumes is: local",
        // A 404 of `create` means a missing image to Docker's client, which would pull it and try again.
        details: { httpStatus: 400 },
      },
    );
  const request = requestsOf(hostConfig).find((each) => !isCdi(each));
  if (request !== undefined) {
    const capabilities = Array.isArray(request["Capabilities"]) ? request["Capabilities"] : [];
    const lists = capabilities.map((list) => (Array.isArray(list) ? `[${list.join(" ")}]` : "[]"));
    throw new PlyError(
      "unsupported",
      `could not select device driver ${JSON.stringify(text(request, "Driver"))} with capabilities: [${lists.join(" ")}]`,
      { hint: "give it the devices themselves: --device /dev/dri, --device /dev/nvidia0" },
    );
  }
}

/** An empty list has a meaning here: nothing is masked. */
function pathsOf(hostConfig: Fields): Pick<HostSettings, "maskedPaths" | "readonlyPaths"> {
  const maskedPaths = texts(hostConfig, "MaskedPaths");
  const readonlyPaths = texts(hostConfig, "ReadonlyPaths");
  return {
    ...(maskedPaths === undefined ? {} : { maskedPaths }),
    ...(readonlyPaths === undefined ? {} : { readonlyPaths }),
  };
}

/** Without all that asks for nothing. */
function filled(
  settings: Omit<HostSettings, "onUnhealthy"> & { readonly onUnhealthy: HostSettings["onUnhealthy"] | "" },
): HostSettings {
  const asks = (key: string, value: unknown) => {
    if (key === "maskedPaths" || key === "readonlyPaths") return true;
    if (Array.isArray(value)) return value.length > 0;
    return typeof value === "object" && value !== null ? Object.keys(value).length > 0 : Boolean(value);
  };
  return Object.fromEntries(Object.entries(settings).filter(([key, value]) => asks(key, value)));
}

function ulimitOf(fields: Fields): Ulimit {
  return { name: text(fields, "Name"), soft: integer(fields, "Soft"), hard: integer(fields, "Hard") };
}

function deviceOf(fields: Fields): DeviceWish {
  const access = text(fields, "CgroupPermissions");
  if (!/^[rwm]{0,3}$/.test(access)) throw new PlyError("invalid", `invalid device mode: ${access}`);
  return {
    pathOnHost: text(fields, "PathOnHost"),
    pathInContainer: text(fields, "PathInContainer"),
    access,
  };
}

function mountOf(mount: Fields): MountWish {
  const kind = text(mount, "Type");
  if (kind !== "bind" && kind !== "volume" && kind !== "tmpfs" && kind !== "image")
    throw new PlyError(
      "invalid",
      `invalid mount config for type ${JSON.stringify(kind)}: mount type unknown`,
      {
        hint: "bind, volume, tmpfs and image are known",
      },
    );
  const bind = fieldsOf(mount, "BindOptions");
  const volume = fieldsOf(mount, "VolumeOptions");
  const tmpfs = fieldsOf(mount, "TmpfsOptions");
  const driver = fieldsOf(volume, "DriverConfig");
  const driverName = text(driver, "Name");
  if (!["", "local"].includes(driverName))
    throw new PlyError("invalid", `no volume driver is called ${JSON.stringify(driverName)}`, {
      hint: "ply has the driver local",
    });
  const driverOptions = stringMap(driver, "Options");
  const propagation = text(bind, "Propagation");
  const subpath = text(kind === "image" ? fieldsOf(mount, "ImageOptions") : volume, "Subpath");
  const labels = stringMap(volume, "Labels");
  const size = integer(tmpfs, "SizeBytes");
  const mode = integer(tmpfs, "Mode");
  return {
    kind,
    source: text(mount, "Source"),
    target: text(mount, "Target"),
    readOnly: flag(mount, "ReadOnly"),
    ...(propagation === "" ? {} : { propagation }),
    ...(flag(bind, "NonRecursive") ? { nonRecursive: true } : {}),
    ...(flag(bind, "ReadOnlyNonRecursive") ? { writableBelow: true } : {}),
    ...(flag(bind, "CreateMountpoint") ? { createSource: true } : {}),
    ...(flag(volume, "NoCopy") ? { noCopy: true } : {}),
    ...(subpath === "" ? {} : { subpath }),
    ...(Object.keys(labels).length === 0 ? {} : { labels }),
    ...(Object.keys(driverOptions).length === 0 ? {} : { driverOptions }),
    ...(size === 0 ? {} : { tmpfsSize: size }),
    ...(mode === 0 ? {} : { tmpfsMode: mode }),
  };
}

/** What `Config` says of the same kind. */
export function parseProcessSettings(
  config: Fields,
): Pick<ProcessOptions, "domainname" | "stopTimeout" | "healthcheck"> {
  const domainname = text(config, "Domainname");
  const timeout = config["StopTimeout"];
  const check = fieldsOf(config, "Healthcheck");
  return {
    ...(domainname === "" ? {} : { domainname }),
    ...(timeout === undefined || timeout === null ? {} : { stopTimeout: integer(config, "StopTimeout") }),
    ...(Object.keys(check).length === 0 ? {} : { healthcheck: healthcheckOf(check) }),
  };
}

function healthcheckOf(check: Fields): Healthcheck {
  return {
    Test: texts(check, "Test") ?? [],
    Interval: integer(check, "Interval"),
    Timeout: integer(check, "Timeout"),
    StartPeriod: integer(check, "StartPeriod"),
    StartInterval: integer(check, "StartInterval"),
    Retries: integer(check, "Retries"),
  };
}

const USUAL_SHM_SIZE = 67_108_864;

/** The settings as Docker's inspect has them. */
export function viewHostSettings(settings: HostSettings = {}) {
  const { ulimits = [], devices = [], cdiDevices = [], mounts, sysctls, tmpfs, annotations } = settings;
  const { maskedPaths, readonlyPaths, init, onUnhealthy } = settings;
  return {
    ...(init === undefined ? {} : { Init: init }),
    Ulimits: ulimits.map(({ name, soft, hard }) => ({ Name: name, Hard: hard, Soft: soft })),
    ...(sysctls === undefined ? {} : { Sysctls: sysctls }),
    Devices: devices.map(({ pathOnHost, pathInContainer, access }) => ({
      PathOnHost: pathOnHost,
      PathInContainer: pathInContainer,
      CgroupPermissions: access,
    })),
    ...(cdiDevices.length === 0 ? {} : { DeviceRequests: [cdiRequest(cdiDevices)] }),
    DeviceCgroupRules: settings.deviceCgroupRules ?? null,
    GroupAdd: settings.groupAdd ?? null,
    ExtraHosts: settings.extraHosts ?? null,
    Dns: settings.dns ?? [],
    DnsSearch: settings.dnsSearch ?? [],
    DnsOptions: settings.dnsOptions ?? [],
    ShmSize: settings.shmSize ?? USUAL_SHM_SIZE,
    OomScoreAdj: settings.oomScoreAdj ?? 0,
    ...(tmpfs === undefined ? {} : { Tmpfs: tmpfs }),
    ...(mounts === undefined ? {} : { Mounts: mounts.map(viewMount) }),
    VolumesFrom: settings.volumesFrom ?? null,
    IpcMode: settings.ipcMode ?? "private",
    PidMode: settings.pidMode ?? "",
    UTSMode: settings.utsMode ?? "",
    UsernsMode: settings.usernsMode ?? "",
    ...(settings.runtime === undefined ? {} : { Runtime: settings.runtime }),
    ...(settings.cgroupnsMode === undefined ? {} : { CgroupnsMode: settings.cgroupnsMode }),
    CgroupParent: settings.cgroupParent ?? "",
    ...(annotations === undefined ? {} : { Annotations: annotations }),
    ...(maskedPaths === undefined ? {} : { MaskedPaths: maskedPaths }),
    ...(readonlyPaths === undefined ? {} : { ReadonlyPaths: readonlyPaths }),
    ...(onUnhealthy === undefined ? {} : { OnUnhealthy: onUnhealthy }),
  };
}

function viewMount(mount: MountWish) {
  const { kind, source, target, readOnly, propagation, nonRecursive, createSource } = mount;
  const bind = {
    ...(propagation === undefined ? {} : { Propagation: propagation }),
    ...(nonRecursive ? { NonRecursive: true } : {}),
    ...(mount.writableBelow ? { ReadOnlyNonRecursive: true } : {}),
    ...(createSource ? { CreateMountpoint: true } : {}),
  };
  const volume = {
    ...(mount.noCopy ? { NoCopy: true } : {}),
    ...(mount.labels === undefined ? {} : { Labels: mount.labels }),
    ...(mount.subpath === undefined || kind === "image" ? {} : { Subpath: mount.subpath }),
    ...(mount.driverOptions === undefined
      ? {}
      : { DriverConfig: { Name: "local", Options: mount.driverOptions } }),
  };
  const image = kind === "image" && mount.subpath !== undefined ? { Subpath: mount.subpath } : {};
  const tmpfs = {
    ...(mount.tmpfsSize === undefined ? {} : { SizeBytes: mount.tmpfsSize }),
    ...(mount.tmpfsMode === undefined ? {} : { Mode: mount.tmpfsMode }),
  };
  const given = (name: string, fields: object) =>
    Object.keys(fields).length === 0 ? {} : { [name]: fields };
  return {
    Type: kind,
    ...(source === "" ? {} : { Source: source }),
    Target: target,
    ...(readOnly ? { ReadOnly: true } : {}),
    ...given("BindOptions", bind),
    ...given("VolumeOptions", volume),
    ...given("TmpfsOptions", tmpfs),
    ...given("ImageOptions", image),
  };
}
