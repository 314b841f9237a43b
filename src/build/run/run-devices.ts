import { type CdiDevice, readCdiDevices } from "../../cdi/index.ts";
import { csvFields } from "../../dockerfile/index.ts";
import { PlyError } from "../../error.ts";

/** BuildKit's annotations: the classes of a device, and that any build may have it. */
const CLASS = "org.mobyproject.buildkit.device.class";
const AUTO_ALLOW = "org.mobyproject.buildkit.device.autoallow";

interface Wish {
  readonly name: string;
  readonly isRequired: boolean;
}

/**
 * The devices that `RUN --device` asks for, by name: `vendor/class=name`, `vendor/class` for the first of the kind,
 * `vendor/class=*` for all, a class of BuildKit's annotation. What is not there is left out unless it is required. Throws
 * "invalid", "denied" for what the build is not allowed to have.
 */
export async function devicesOf(
  texts: readonly string[],
  { expand, allowed }: { readonly expand: (text: string) => string; readonly allowed: readonly string[] },
): Promise<string[]> {
  if (texts.length === 0) return [];
  const { devices } = await readCdiDevices();
  const wanted = texts.map((text) => wishOf(expand(text))).flatMap((wish) => found(wish, devices));
  for (const device of wanted)
    if (!isAllowed(device, allowed))
      throw new PlyError("denied", `device ${device.name} is requested by the build but is not allowed`, {
        hint: `build with --allow device=${device.name}`,
      });
  return [...new Set(wanted.map(({ name }) => name))];
}

function found({ name, isRequired }: Wish, devices: readonly CdiDevice[]): CdiDevice[] {
  const ofKind = (kind: string) => devices.filter((device) => device.kind === kind);
  const [kind = "", own] = name.split(/=(.*)/s);
  const matching =
    own === "*"
      ? ofKind(kind)
      : own !== undefined
        ? devices.filter((device) => device.name === name)
        : kind.includes("/")
          ? ofKind(kind).slice(0, 1)
          : devices.filter((device) => device.annotations[CLASS] === name);
  if (matching.length === 0 && isRequired)
    throw new PlyError(
      "invalid",
      `required device ${name} is not registered: unresolvable CDI devices ${name}`,
      {
        hint:
          devices.length === 0
            ? "no file in /etc/cdi or /var/run/cdi describes any device"
            : `there are ${devices.map((device) => device.name).join(", ")}`,
      },
    );
  return matching;
}

function isAllowed({ name, kind, annotations }: CdiDevice, allowed: readonly string[]): boolean {
  if (annotations[AUTO_ALLOW] === "true") return true;
  const own = annotations[CLASS];
  return allowed.some((each) => ["*", name, kind, `${kind}=*`].includes(each) || each === own);
}

function wishOf(text: string): Wish {
  const fields = csvFields(text);
  let name: string | undefined;
  let isRequired = false;
  for (const field of fields) {
    const [key = "", value] = field.split(/=(.*)/s);
    if (key === "required" && (value === undefined || /^(?:true|false|1|0)$/.test(value)))
      isRequired = value === undefined || value === "true" || value === "1";
    else if (key === "name" && name === undefined) name = value ?? "";
    else if (name === undefined) name = field;
    else throw new PlyError("invalid", `unexpected key '${key}' in '${field}'`);
  }
  if (name === undefined || name === "") throw new PlyError("invalid", "RUN --device needs a name");
  return { name, isRequired };
}
