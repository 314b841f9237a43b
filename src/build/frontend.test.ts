import assert from "node:assert/strict";
import { test } from "node:test";
import { isPlyError } from "../error.ts";
import { checkFrontend } from "./frontend.ts";

const check = (text: string, args: Readonly<Record<string, string>> = {}) =>
  checkFrontend({ text, name: "Dockerfile" }, new Map(Object.entries(args)));

test("Docker's own frontends are built in, whatever they are called", () => {
  for (const syntax of [
    "docker/dockerfile",
    "docker/dockerfile:1",
    "docker/dockerfile:1.14-labs",
    "docker.io/docker/dockerfile-upstream:master",
    "mirror.local:5000/docker/dockerfile:1.4 --arg",
    `docker/dockerfile:1@sha256:${"a".repeat(64)}`,
  ])
    check(`# syntax=${syntax}\nFROM x\n`);
  check("FROM x\n# syntax=other/frontend\n");
  check("#!/usr/bin/docker build\n# syntax = docker/dockerfile:1\nFROM x\n");
});

test("others are refused with their line, before what only they understand is parsed", () => {
  for (const [text, line] of [
    ["# syntax=other/frontend:1\nanything\n", 1],
    ["#!/bin/x\n# escape=`\n# SYNTAX=evil.io/x/docker/dockerfiles\n", 3],
  ] as const)
    assert.throws(
      () => check(text),
      (error) => isPlyError(error, "unsupported") && error.details["line"] === line,
    );
});

test("BUILDKIT_SYNTAX stands before the directive", () => {
  check("# syntax=other/frontend\nFROM x\n", { BUILDKIT_SYNTAX: "docker/dockerfile" });
  check("# syntax=other/frontend\nFROM x\n", { BUILDKIT_SYNTAX: "dockerfile.v0" });
  assert.throws(() => check("FROM x\n", { BUILDKIT_SYNTAX: "other" }), /the frontend other cannot be run/);
});
