/** What the rules of others do on this host, as far as it concerns the networks of containers. */
export interface Neighbours {
  /** They drop what passes through this host unless a rule of theirs accepts it. */
  readonly dropForwarded: boolean;
  /** They drop what comes to this host unless a rule of theirs accepts it. */
  readonly dropIncoming: boolean;
  /** Families for which Docker has its chain for rules of others. */
  readonly dockerUser: readonly ("ip" | "ip6")[];
}

export const NO_NEIGHBOURS: Neighbours = { dropForwarded: false, dropIncoming: false, dockerUser: [] };

/** Reads what `nft list chains` prints; `own` is the table that is ours. */
export function parseChains(text: string, own: string): Neighbours {
  let [family, table, chain] = ["", "", ""];
  let [dropForwarded, dropIncoming] = [false, false];
  const dockerUser: ("ip" | "ip6")[] = [];
  for (const line of text.split("\n")) {
    [, family = "", table = ""] = /^table (\S+) (\S+) \{/.exec(line) ?? ["", family, table];
    [, chain = ""] = /^\tchain (\S+) \{/.exec(line) ?? ["", chain];
    // ply's own tables, of other engines too, hold their own networks apart and drop nobody else's packets.
    if (table === own || /^ply(-[0-9a-f]{8})?$/.test(table)) continue;
    if (
      chain === DOCKER_USER &&
      line.includes("chain ") &&
      table === "filter" &&
      (family === "ip" || family === "ip6")
    )
      dockerUser.push(family);
    if (!/policy drop;/.test(line)) continue;
    dropForwarded ||= line.includes("hook forward");
    dropIncoming ||= line.includes("hook input");
  }
  return { dropForwarded, dropIncoming, dockerUser };
}

const DOCKER_USER = "DOCKER-USER";

/**
 * A script for nft(8) that makes `listed` (what `nft -a list chain FAMILY filter DOCKER-USER` prints) let through what
 * these bridges forward: our own table has decided about it. Between our bridges and Docker's, Docker's rules still hold.
 * "" when all is as it should be. Rules of others in it stay; ours are known by their comment.
 */
export function wayThroughDocker(
  family: "ip" | "ip6",
  listed: string,
  { comment, devices }: { readonly comment: string; readonly devices: readonly string[] },
): string {
  const wanted = devices.flatMap((device) => [
    `oifname "${device}" accept`,
    ...["docker*", "br-*"].map((others) => `iifname "${device}" oifname "${others}" return`),
    `iifname "${device}" accept`,
  ]);
  const ours = listed.split("\n").filter((line) => line.includes(`comment "${comment}"`));
  const found = ours.map((line) => line.trim().replace(/ comment .*$/, ""));
  if (found.join("\n") === wanted.join("\n")) return "";
  const chain = `${family} filter ${DOCKER_USER}`;
  const handles = ours.map((line) => /# handle (\d+)/.exec(line)?.[1] ?? "");
  return [
    ...handles.map((handle) => `delete rule ${chain} handle ${handle}`),
    ...wanted.reverse().map((rule) => `insert rule ${chain} ${rule} comment "${comment}"`),
  ].join("\n");
}
