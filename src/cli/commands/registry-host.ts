/** What Docker calls Docker Hub in its configuration and in `/auth`. */
export const HUB_KEY = "https://index.docker.io/v1/";
export const HUB_HOST = "docker.io";

/** The registry a user means by `https://host/`, `host:5000`, `docker.io` or nothing: its host. */
export function registryHost(text: string | undefined): string {
  if (text === undefined) return HUB_HOST;
  const host = text.replace(/^https?:\/\//, "").split("/", 1)[0] ?? "";
  return host === "" || host === "index.docker.io" || host === "registry-1.docker.io" ? HUB_HOST : host;
}
