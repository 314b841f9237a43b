import assert from "node:assert/strict";
import { test } from "node:test";
import { parseChains, wayThroughDocker } from "./neighbours.ts";

const OURS =
  "table inet ply {\n\tchain forward {\n\t\ttype filter hook forward priority filter; policy drop;\n\t}\n}\n";
const DOCKER = `table ip filter { # handle 2
	chain FORWARD { # handle 1
		type filter hook forward priority filter; policy drop;
	}
	chain DOCKER-USER { # handle 7
	}
}
`;

test("chains of others that drop, and the one Docker has for others", () => {
  assert.deepEqual(parseChains(OURS, "ply"), { dropForwarded: false, dropIncoming: false, dockerUser: [] });
  assert.deepEqual(parseChains(OURS + DOCKER, "ply"), {
    dropForwarded: true,
    dropIncoming: false,
    dockerUser: ["ip"],
  });
  const input =
    "table inet mine {\n\tchain in {\n\t\ttype filter hook input priority 0; policy drop;\n\t}\n}\n";
  assert.equal(parseChains(input, "ply").dropIncoming, true);
  assert.equal(parseChains(DOCKER.replace("drop", "accept"), "ply").dropForwarded, false);
});

test("the way through Docker's chain: in front, once, and gone with the bridges", () => {
  const way = (listed: string, ...devices: string[]) =>
    wayThroughDocker("ip", listed, { comment: "ply", devices });
  const script = way(
    "\tchain DOCKER-USER { # handle 7\n\t\tcounter packets 0 bytes 0 return # handle 9\n\t}\n",
    "ply0",
  );
  assert.deepEqual(script.split("\n"), [
    'insert rule ip filter DOCKER-USER iifname "ply0" accept comment "ply"',
    'insert rule ip filter DOCKER-USER iifname "ply0" oifname "br-*" return comment "ply"',
    'insert rule ip filter DOCKER-USER iifname "ply0" oifname "docker*" return comment "ply"',
    'insert rule ip filter DOCKER-USER oifname "ply0" accept comment "ply"',
  ]);
  const lines = script
    .split("\n")
    .reverse()
    .map((line, at) => `\t\t${line.replace(/^insert rule ip filter DOCKER-USER /, "")} # handle ${at + 20}`);
  assert.equal(way(lines.join("\n"), "ply0"), "");
  assert.deepEqual(
    way(lines.join("\n")).split("\n"),
    [20, 21, 22, 23].map((handle) => `delete rule ip filter DOCKER-USER handle ${handle}`),
  );
});
