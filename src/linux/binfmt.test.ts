import assert from "node:assert/strict";
import { test } from "node:test";
import { parseInterpreter, programHeads, runsNatively } from "./binfmt.ts";

const AARCH64 = `enabled
interpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P
flags: POCF
offset 0
magic 7f454c460201010000000000000000000200b700
mask ffffffffffffff00fffffffffffffffffeffffff
`;
/** The head of an ELF program: little-endian, 64 bits. */
const elf = (type: number, machine: number) =>
  Buffer.concat([
    Buffer.from("7f454c4602010100", "hex"),
    Buffer.alloc(8),
    Buffer.from([type, 0, machine, 0]),
  ]);

test("an interpreter takes what its magic and mask fit", () => {
  const found = parseInterpreter("qemu-aarch64", AARCH64);
  assert.deepEqual(
    { path: found?.path, isOpened: found?.isOpened },
    { path: "/usr/libexec/qemu-binfmt/aarch64-binfmt-P", isOpened: true },
  );
  assert.equal(found?.takes(elf(2, 0xb7)), true);
  assert.equal(found?.takes(elf(3, 0xb7)), true, "position independent ones too");
  assert.equal(found?.takes(elf(2, 0x3e)), false);
  assert.equal(found?.takes(elf(2, 0xb7).subarray(0, 12)), false);
});

test("what is off, goes by names, or lies elsewhere in the file", () => {
  assert.equal(parseInterpreter("x", AARCH64.replace("enabled", "disabled")), undefined);
  assert.equal(parseInterpreter("x", "enabled\ninterpreter /x\nflags: \nextension .exe\n"), undefined);
  const later = parseInterpreter("x", "enabled\ninterpreter /x\nflags: \noffset 2\nmagic 4142\n");
  assert.equal(later?.isOpened, false);
  assert.equal(later?.takes(Buffer.from("..AB")), true);
  assert.equal(later?.takes(Buffer.from("AB..")), false);
});

test("this machine's own programs, others, and what is none", () => {
  const heads = programHeads();
  const own = process.arch === "x64" ? "amd64" : process.arch;
  assert.equal(runsNatively(heads.get(own) ?? Buffer.alloc(0)), true);
  assert.equal(runsNatively(heads.get("s390x") ?? Buffer.alloc(0)), process.arch === "s390x");
  assert.equal(runsNatively(Buffer.from("#!/bin/sh\n")), undefined);
  assert.equal(parseInterpreter("x", AARCH64)?.takes(heads.get("arm64") ?? Buffer.alloc(0)), true);
});
