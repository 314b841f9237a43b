import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { messageOf, PlyError } from "../error.ts";

/** One field of a message: how it is written and read. `In` is what may be given, `Out` what is read. */
export interface Field<In, Out> {
  readonly number: number;
  readonly wireType: WireType;
  /** With its tag. */
  write(writer: BinaryWriter, value: In): void;
  /** One occurrence. `before`: what earlier ones came to. */
  read(reader: BinaryReader, wireType: WireType, before: Out): Out;
  /** What a field that is not there is read as; such a one is not written. */
  empty(): Out;
  isEmpty(value: In): boolean;
}

// biome-ignore lint/suspicious/noExplicitAny: what a field holds is inferred where it stands in a table.
type AnyField = Field<any, any>;
type Fields = Readonly<Record<string, AnyField>>;
type InOf<F> = F extends Field<infer In, infer _Out> ? In : never;
type OutOf<F> = F extends Field<infer _In, infer Out> ? Out : never;

/** A kind of protobuf message (proto3), as a table of its fields. */
export interface Message<In, Out> {
  encode(value: In): Uint8Array;
  /** Fields that are not known are passed over. Throws "invalid" for what is no such message. */
  decode(bytes: Uint8Array): Out;
}

/** What can be given for a message. */
export type Given<M> = M extends Message<infer In, infer _Out> ? In : never;
/** What a message is read as. */
export type Read<M> = M extends Message<infer _In, infer Out> ? Out : never;

/** A message by its fields' names, which are ours: only their numbers are on the wire. */
export function message<F extends Fields>(
  fields: F,
): Message<{ readonly [K in keyof F]?: InOf<F[K]> | undefined }, { readonly [K in keyof F]: OutOf<F[K]> }> {
  const entries = Object.entries(fields);
  const byNumber = new Map(entries.map((entry) => [entry[1].number, entry]));
  return {
    encode(value) {
      const writer = new BinaryWriter();
      for (const [name, field] of entries) {
        const given: unknown = value[name];
        if (given !== undefined && !field.isEmpty(given)) field.write(writer, given);
      }
      return writer.finish();
    },
    decode(bytes) {
      try {
        const value: Record<string, unknown> = {};
        for (const [name, field] of entries) value[name] = field.empty();
        const reader = new BinaryReader(bytes);
        while (reader.pos < reader.len) {
          const [number, wireType] = reader.tag();
          const entry = byNumber.get(number);
          if (entry === undefined) reader.skip(wireType, number);
          else value[entry[0]] = entry[1].read(reader, wireType, value[entry[0]]);
        }
        return value as { readonly [K in keyof F]: OutOf<F[K]> };
      } catch (cause) {
        if (cause instanceof PlyError) throw cause;
        throw new PlyError("invalid", `not a protobuf message: ${messageOf(cause)}`, { cause });
      }
    },
  };
}

/** Beyond any honest message; each may take a hundred bytes of memory for two on the wire. */
const MAX_ELEMENTS = 1_000_000;

interface Scalar<Value> {
  readonly wireType: WireType;
  readonly zero: Value;
  readonly write: (writer: BinaryWriter, value: Value) => unknown;
  readonly read: (reader: BinaryReader) => Value;
  readonly isZero?: (value: Value) => boolean;
}

function scalar<Value>(kind: Scalar<Value>): (number: number) => Field<Value, Value> {
  return (number) => ({
    number,
    wireType: kind.wireType,
    write(writer, value) {
      writer.tag(number, kind.wireType);
      kind.write(writer, value);
    },
    read(reader, wireType) {
      expectType(number, wireType, kind.wireType);
      return kind.read(reader);
    },
    empty: () => kind.zero,
    isEmpty: kind.isZero ?? ((value) => value === kind.zero),
  });
}

function expectType(number: number, found: WireType, expected: WireType): void {
  if (found !== expected)
    throw new PlyError(
      "invalid",
      `not a protobuf message: field ${number} has wire type ${found}, not ${expected}`,
    );
}

export const text = scalar<string>({
  wireType: WireType.LengthDelimited,
  zero: "",
  write: (writer, value) => writer.string(value),
  read: (reader) => reader.string(),
});

/** Read as a view of the message's own bytes. */
export const bytes = scalar<Uint8Array>({
  wireType: WireType.LengthDelimited,
  zero: new Uint8Array(),
  write: (writer, value) => writer.bytes(value),
  read: (reader) => reader.bytes(),
  isZero: (value) => value.length === 0,
});

export const bool = scalar<boolean>({
  wireType: WireType.Varint,
  zero: false,
  write: (writer, value) => writer.bool(value),
  read: (reader) => reader.bool(),
});

/** Enumerations are these too. */
export const int32 = scalar<number>({
  wireType: WireType.Varint,
  zero: 0,
  write: (writer, value) => writer.int32(value),
  read: (reader) => reader.int32(),
});

export const uint32 = scalar<number>({
  wireType: WireType.Varint,
  zero: 0,
  write: (writer, value) => writer.uint32(value),
  read: (reader) => reader.uint32(),
});

/** As a number: reading throws "invalid" beyond 2^53. */
export const int64 = scalar<number>({
  wireType: WireType.Varint,
  zero: 0,
  write: (writer, value) => writer.int64(value),
  read(reader) {
    const value = Number(reader.int64());
    if (!Number.isSafeInteger(value)) throw new PlyError("invalid", `the number ${value} is too big`);
    return value;
  },
});

/** For nanoseconds since 1970. */
export const bigint64 = scalar<bigint>({
  wireType: WireType.Varint,
  zero: 0n,
  write: (writer, value) => writer.int64(value),
  read: (reader) => BigInt(reader.int64()),
});

export const double = scalar<number>({
  wireType: WireType.Bit64,
  zero: 0,
  write: (writer, value) => writer.double(value),
  read: (reader) => reader.double(),
});

export const float = scalar<number>({
  wireType: WireType.Bit32,
  zero: 0,
  write: (writer, value) => writer.float(value),
  read: (reader) => reader.float(),
});

/** A message within a message; undefined where there is none. */
export function nested<In, Out>(number: number, kind: Message<In, Out>): Field<In, Out | undefined> {
  return {
    number,
    wireType: WireType.LengthDelimited,
    write(writer, value) {
      writer.tag(number, WireType.LengthDelimited).bytes(kind.encode(value));
    },
    read(reader, wireType) {
      expectType(number, wireType, WireType.LengthDelimited);
      return kind.decode(reader.bytes());
    },
    empty: () => undefined,
    isEmpty: () => false,
  };
}

/** For members of a `oneof` and `optional` fields: a zero is written, and told from nothing when read. */
export function optional<In, Out>(field: Field<In, Out>): Field<In, Out | undefined> {
  return {
    ...field,
    read: (reader, wireType, before) => field.read(reader, wireType, before ?? field.empty()),
    empty: () => undefined,
    isEmpty: () => false,
  };
}

/** Numbers are written one by one, and read packed as well. */
export function repeated<In, Out>(
  field: Field<In, Out>,
): Field<readonly In[], readonly Exclude<Out, undefined>[]> {
  type Element = Exclude<Out, undefined>;
  const { number, wireType: own } = field;
  const mayBePacked = own !== WireType.LengthDelimited;
  const one = (reader: BinaryReader, wireType: WireType): Element =>
    field.read(reader, wireType, field.empty()) as Element;
  return {
    number,
    wireType: WireType.LengthDelimited,
    write(writer, values) {
      for (const value of values) field.write(writer, value);
    },
    read(reader, wireType, before) {
      // What `empty` gave, or this function: nobody else has it.
      const list = before as Element[];
      if (mayBePacked && wireType === WireType.LengthDelimited) {
        const within = new BinaryReader(reader.bytes());
        while (within.pos < within.len) checkCount(list.push(one(within, own)));
      } else checkCount(list.push(one(reader, wireType)));
      return list;
    },
    empty: () => [],
    isEmpty: (values) => values.length === 0,
  };
}

/** `map(3, text, text)`: entries by their key, of which the last one counts. */
export function map<Key extends string | number, In, Out>(
  number: number,
  key: (number: number) => Field<Key, Key>,
  value: (number: number) => Field<In, Out>,
): Field<ReadonlyMap<Key, In>, ReadonlyMap<Key, Exclude<Out, undefined>>> {
  const fields = { key: key(1), value: value(2) };
  const entry = message(fields);
  return {
    number,
    wireType: WireType.LengthDelimited,
    write(writer, entries) {
      for (const [name, given] of entries)
        writer.tag(number, WireType.LengthDelimited).bytes(entry.encode({ key: name, value: given }));
    },
    read(reader, wireType, before) {
      expectType(number, wireType, WireType.LengthDelimited);
      const read = entry.decode(reader.bytes());
      const found = before as Map<Key, Exclude<Out, undefined>>;
      if (read.value !== undefined)
        checkCount(found.set(read.key, read.value as Exclude<Out, undefined>).size);
      return found;
    },
    empty: () => new Map(),
    isEmpty: (entries) => entries.size === 0,
  };
}

function checkCount(count: number): void {
  if (count > MAX_ELEMENTS) throw new PlyError("limit", `a message has more than ${MAX_ELEMENTS} elements`);
}
