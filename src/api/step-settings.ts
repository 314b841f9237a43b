import type { RunSettings } from "../build/index.ts";
import { type Fields, texts } from "./fields.ts";
import { unhonoured } from "./host-config-warnings.ts";
import { parseHostSettings } from "./host-settings.ts";
import { resourcesOf } from "./resource-request.ts";

/** What of a container's `HostConfig` holds for the steps of a build. Throws "invalid" for a field of the wrong type. */
export function stepSettings(hostConfig: Fields): RunSettings {
  const { shmSize, extraHosts, ulimits, devices, dns, dnsSearch, dnsOptions, cgroupParent } =
    parseHostSettings(hostConfig);
  const settings: { readonly [Key in keyof RunSettings]: RunSettings[Key] | undefined } = {
    shmSize,
    extraHosts,
    ulimits,
    devices,
    dns,
    dnsSearch,
    dnsOptions,
    cgroupParent,
    resources: resourcesOf(hostConfig),
    securityOpt: texts(hostConfig, "SecurityOpt"),
    capAdd: texts(hostConfig, "CapAdd"),
    capDrop: texts(hostConfig, "CapDrop"),
    binds: texts(hostConfig, "Binds"),
  };
  const asks = (value: unknown) => value !== undefined && Object.keys(value as object).length !== 0;
  return Object.fromEntries(
    Object.entries(settings).filter(([, value]) => typeof value === "number" || asks(value)),
  );
}

/** What the user is to know of them. */
export function stepWarnings(hostConfig: Fields): string[] {
  const binds = texts(hostConfig, "Binds") ?? [];
  return [
    ...unhonoured(hostConfig),
    ...binds.map(
      (bind) => `-v ${bind}: the steps see it, but what is in it does not decide whether they run anew`,
    ),
  ];
}
