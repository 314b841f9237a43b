import { PlyError } from "../../error.ts";

const SHORT_ID = 12;

/** `sha256:…` or a plain id as the 12 hex digits that people read. */
export function shortId(id: string): string {
  const colon = id.indexOf(":");
  return id.slice(colon + 1, colon + 1 + SHORT_ID);
}

/** A path segment of the API for a name. Throws "invalid" for an empty one, which would be another path. */
export function segment(name: string): string {
  if (name === "") throw new PlyError("invalid", "invalid name or ID: value is empty");
  return encodeURIComponent(name);
}

/** `name:tag` → name and tag; a port is no tag. */
export function splitTag(name: string): { readonly repo: string; readonly tag: string | undefined } {
  const colon = name.lastIndexOf(":");
  if (colon <= name.lastIndexOf("/") || name.includes("@")) return { repo: name, tag: undefined };
  return { repo: name.slice(0, colon), tag: name.slice(colon + 1) };
}
