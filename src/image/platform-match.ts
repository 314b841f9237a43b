import { acceptedPlatforms, formatPlatform, normalizePlatform, type Platform } from "../oci/index.ts";

/** The platform that an image config or record states. */
export function platformOf(stated: {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}): Platform {
  return {
    os: stated.os,
    architecture: stated.architecture,
    ...(stated.variant === undefined || stated.variant === "" ? {} : { variant: stated.variant }),
  };
}

/** True when a machine of the wanted platform can run what the image is for. */
export function fitsPlatform(wanted: Platform, offered: Platform): boolean {
  // Some old builders wrote no architecture: nobody can say that it does not fit.
  if (offered.architecture === "") return offered.os === wanted.os;
  const own = normalizePlatform(offered);
  return acceptedPlatforms(wanted).some(
    (wish) =>
      wish.os === own.os &&
      wish.architecture === own.architecture &&
      // An image that states no variant, as most do, may be any.
      (own.variant === undefined || (wish.variant ?? "") === own.variant),
  );
}

/** Docker's words for an image of the wrong platform. */
export function wrongPlatform(name: string, offered: Platform, wanted: Platform): string {
  return `image with reference ${name} was found but its platform (${formatPlatform(offered)}) does not match the specified platform (${formatPlatform(wanted)})`;
}
