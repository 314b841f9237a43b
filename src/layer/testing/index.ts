export { listTree, type TreeListing } from "./listing.ts";
export { imageOfTars, indexOfTar, whyNoErofs, withMountedUnion } from "./mounted.ts";
export { writeOciLayout } from "./oci-layout.ts";
export { type Part, tarOf } from "./tar-of.ts";
