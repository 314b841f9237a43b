import { formatPlatform, parsePlatform, parseReference } from "../../oci/index.ts";
import { didYouMean } from "../../suggest.ts";
import { attempt } from "../attempt.ts";
import type { Expansion } from "../facts.ts";
import { expandWord } from "../word.ts";
import { about, type Finding, type LintRule, type LintSubject } from "./rule.ts";

/** What stages begin with. */
export const FROM_RULES: readonly LintRule[] = [
  {
    name: "UndefinedArgInFrom",
    description: "FROM command must use declared ARGs",
    check: ({ stages, globalNames }) =>
      stages.flatMap(({ stage, image, platform }) =>
        [...image.unset, ...(platform?.unset ?? [])]
          .filter((name) => !globalNames.includes(name))
          .map((name) => {
            const meant = didYouMean(name, globalNames);
            return about(stage.from, `FROM argument '${name}' is not declared${meant}`);
          }),
      ),
  },
  {
    name: "InvalidDefaultArgInFrom",
    description: "Default value for global ARG results in an empty or invalid base image name",
    check: badDefaults,
  },
  {
    name: "RedundantTargetPlatform",
    description:
      "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior",
    check: ({ stages, platformArgs }) =>
      stages.flatMap(({ stage, platform }) =>
        platform !== undefined && isJust("TARGETPLATFORM", platform, platformArgs)
          ? [
              about(
                stage.from,
                `Setting platform to predefined ${stage.from.platform} in FROM is redundant as this is the default behavior`,
              ),
            ]
          : [],
      ),
  },
  {
    name: "FromPlatformFlagConstDisallowed",
    description: "FROM --platform flag should not use a constant value",
    check: ({ stages }) =>
      stages.flatMap(({ stage, platform }) => {
        if (platform === undefined || platform.used.size + platform.unset.size > 0) return [];
        const parsed = attempt(() => parsePlatform(platform.text));
        const { name = "" } = stage.from;
        // A stage that says what it is for may be.
        if (parsed === undefined || name.includes(parsed.os) || name.includes(parsed.architecture)) return [];
        const written = JSON.stringify(platform.text);
        return [about(stage.from, `FROM --platform flag should not use constant value ${written}`)];
      }),
  },
  {
    name: "InvalidBaseImagePlatform",
    description: "Base image platform does not match expected target platform",
    isUndocumented: true,
    check: ({ stages, platformArgs }) =>
      stages.flatMap(({ stage, isLookedAt, base, image, platform }) => {
        const wanted = attempt(() =>
          parsePlatform(platform?.text ?? platformArgs.get("TARGETPLATFORM") ?? ""),
        );
        const actual = base?.platform;
        if (!isLookedAt || wanted === undefined || actual === undefined) return [];
        if (wanted.os === actual.os && wanted.architecture === actual.architecture) return [];
        const [is, should] = [actual, wanted].map((each) => JSON.stringify(formatPlatform(each)));
        return [
          about(
            stage.from,
            `Base image ${image.text} was pulled with platform ${is}, expected ${should} for current build`,
          ),
        ];
      }),
  },
];

function isJust(
  name: string,
  { text, used, unset }: Expansion,
  values: ReadonlyMap<string, string>,
): boolean {
  return used.size === 1 && unset.size === 0 && used.has(name) && text === values.get(name);
}

function badDefaults({ file, stages, defaults }: LintSubject): Finding[] {
  if (defaults === undefined) return [];
  const options = {
    lookup: (name: string) => defaults.get(name),
    escapeToken: file.directives.escape,
  };
  return stages.flatMap(({ stage: { from } }) => {
    // What is wrong without a variable in it is wrong at once.
    const name = from.image.includes("$") ? attempt(() => expandWord(from.image, options)) : undefined;
    if (name === undefined || attempt(() => parseReference(name)) !== undefined) return [];
    return [about(from, `Default value for ARG ${from.image} results in empty or invalid base image name`)];
  });
}
