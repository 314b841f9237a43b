import assert from "node:assert/strict";
import { test } from "node:test";
import { isPlyError, PlyError } from "../error.ts";
import { parseCidr } from "./address.ts";
import { checkNotInUse, configured, planConfiguration } from "./config-network.ts";
import type { Network } from "./networks.ts";
import { planNetwork } from "./new-network.ts";

const given = {
  name: "base",
  internal: true,
  subnets: [{ subnet: "10.7.0.0/24", range: "10.7.0.128/25", reserved: { a: "10.7.0.9" } }],
  options: { "com.docker.network.driver.mtu": "1400" },
};

test("a configuration takes no room, and gives all that it has to the networks made from it", () => {
  const base = planConfiguration({ ...given, driver: "bridge" }, [], 1);
  assert.deepEqual(
    [base.driver, base.device, base.configOnly, base.subnets[0]?.gateway],
    ["null", "", true, null],
  );
  const find = (name: string): Network => {
    if (name !== "base") throw new PlyError("not-found", `network ${name} not found`);
    return base;
  };
  const choosePool = () => parseCidr("172.30.0.0/16");
  const made = planNetwork(
    configured({ name: "app", driver: "bridge", configFrom: base.name }, find),
    { networks: [base], choosePool },
    2,
  );
  assert.deepEqual(
    [made.configFrom, made.internal, made.options, made.subnets],
    [
      "base",
      true,
      given.options,
      [
        {
          subnet: "10.7.0.0/24",
          gateway: "10.7.0.1",
          range: "10.7.0.128/25",
          reserved: { a: "10.7.0.9" },
          automatic: false,
        },
      ],
    ],
  );
  assert.throws(
    () => checkNotInUse(base, [base, made]),
    (error) => isPlyError(error, "denied"),
  );
  checkNotInUse(made, [base, made]);
  const plain = { name: "x" };
  assert.equal(configured(plain, find), plain);
  const refused = (options: object, kind: "invalid" | "not-found") =>
    assert.throws(
      () => configured({ name: "x", configFrom: "base", ...options }, find),
      (error) => isPlyError(error, kind),
      JSON.stringify(options),
    );
  refused({ configFrom: "nobody" }, "not-found");
  refused({ ipv6: true }, "invalid");
  refused({ options: { a: "b" } }, "invalid");
  refused({ subnets: [{ subnet: "10.8.0.0/24" }] }, "invalid");
  assert.throws(
    () => configured({ name: "x", configFrom: "app" }, () => made),
    (error) => isPlyError(error, "invalid"),
  );
});
