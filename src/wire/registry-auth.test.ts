import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isPlyError } from "../error.ts";
import { decodeAuthHeader, encodeAuthHeader } from "./registry-auth.ts";

describe("X-Registry-Auth", () => {
  test("survives the way there, whatever the password", () => {
    const auth = { username: "jo", password: "p\u00e4ss??>>~~", serveraddress: "localhost:5000" };
    assert.deepEqual(decodeAuthHeader(encodeAuthHeader(auth)), auth);
  });

  test("plain base64 with padding is read, too", () => {
    assert.deepEqual(decodeAuthHeader(Buffer.from('{"username":"ab"}').toString("base64")), {
      username: "ab",
    });
  });

  test("nothing, null and an empty text are no credentials", () => {
    for (const text of ["", "null", '""', "{}"])
      assert.deepEqual(decodeAuthHeader(Buffer.from(text).toString("base64url")), {});
  });

  test("rubbish is refused without quoting it", () => {
    const header = Buffer.from('{"password":"hunter2"').toString("base64url");
    assert.throws(
      () => decodeAuthHeader(header),
      (error) =>
        isPlyError(error, "invalid") && !error.message.includes("hunter2") && error.cause === undefined,
    );
  });
});
