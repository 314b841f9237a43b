import { createHash } from "node:crypto";
import { PlyError } from "../../error.ts";
import type { Records } from "../../store/index.ts";
import { httpAuthorization, type Secrets } from "./fetch-secrets.ts";
import { download, type RemoteFile, shown } from "./remote.ts";

/** An address whose content is known; it need not be here. */
export interface Fetched extends RemoteFile {
  /** Fetches it now, unless it is there. Throws "conflict" when it is not what it was a moment ago. */
  ready(): Promise<void>;
}

export interface FetchOptions {
  /** Where it goes; not there yet. */
  readonly file: string;
  /** sha256 as hex that it must have; "" for any. */
  readonly sha256: string;
  /** What is known of it counts for nothing. */
  readonly anew: boolean;
  readonly secrets: Secrets;
  readonly signal: AbortSignal;
}

/** How many addresses are remembered: a few hundred bytes each. */
const REMEMBERED = 1000;

/**
 * Finds out what an address holds. What servers say of it is remembered, so that one that has not changed is not fetched
 * again, and one whose checksum is known is not even asked for, as long as nobody wants its bytes.
 */
export async function fetchAddress(
  records: Records,
  address: string,
  { file, sha256, anew, secrets, signal }: FetchOptions,
): Promise<Fetched> {
  const key = createHash("sha256").update(address).digest("hex");
  const known = anew ? undefined : (records.get(key) as RemoteFile | undefined);
  const authorization = (url: URL) => httpAuthorization(secrets, url);
  const fetchAnew = () => download(address, file, { authorization, signal });
  const isPinned = sha256 !== "" && known?.sha256 === sha256;
  const got = isPinned ? known : await download(address, file, { authorization, known, signal });
  if (got !== known) {
    records.put(key, got);
    const all = records.list();
    const [oldest] = all;
    if (all.length > REMEMBERED && oldest !== undefined) records.delete(oldest.key);
  }
  let isHere = got !== known;
  return {
    ...got,
    async ready() {
      if (isHere) return;
      const again = await fetchAnew();
      isHere = true;
      if (again.sha256 === got.sha256) return;
      records.put(key, again);
      throw new PlyError("conflict", `${shown(address)} has changed while the build went on`, {
        hint: "build again",
      });
    },
  };
}
