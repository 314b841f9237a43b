import { PlyError } from "../error.ts";
import type { Message } from "./message.ts";
import type { Metadata } from "./metadata.ts";

/** A method, as both sides know it. */
export interface Method<ReqIn, ReqOut, ResIn, ResOut> {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly request: Message<ReqIn, ReqOut>;
  readonly response: Message<ResIn, ResOut>;
}

export function method<ReqIn, ReqOut, ResIn, ResOut>(
  path: string,
  request: Message<ReqIn, ReqOut>,
  response: Message<ResIn, ResOut>,
): Method<ReqIn, ReqOut, ResIn, ResOut> {
  return { path, request, response };
}

export interface CallContext {
  readonly metadata: Metadata;
  /** Aborted when the caller is gone, does not want the answer any more, or has waited for as long as it said. */
  readonly signal: AbortSignal;
}

/** A method with what answers it. */
export interface ServedMethod {
  readonly path: string;
  readonly answer: (
    requests: AsyncIterable<readonly Uint8Array[]>,
    call: CallContext,
  ) => AsyncIterable<Uint8Array>;
}

/** Serves a method of any kind. What the handler throws is the call's status. */
export function serve<ReqIn, ReqOut, ResIn, ResOut>(
  { path, request, response }: Method<ReqIn, ReqOut, ResIn, ResOut>,
  handler: (requests: AsyncIterable<ReqOut>, call: CallContext) => AsyncIterable<ResIn>,
): ServedMethod {
  return {
    path,
    answer: (requests, call) => encoded(response, handler(decoded(request, requests), call)),
  };
}

/** Serves a method of one request and one response. */
export function serveOne<ReqIn, ReqOut, ResIn, ResOut>(
  method: Method<ReqIn, ReqOut, ResIn, ResOut>,
  handler: (request: ReqOut, call: CallContext) => ResIn | Promise<ResIn>,
): ServedMethod {
  return serve(method, async function* (requests, call) {
    yield await handler(await only(requests), call);
  });
}

export async function* encoded<In>(
  kind: Message<In, unknown>,
  values: AsyncIterable<In>,
): AsyncGenerator<Uint8Array, void> {
  for await (const value of values) yield kind.encode(value);
}

/** One by one, in the time that it takes to want them. */
export async function* decoded<Out>(
  kind: Message<never, Out>,
  batches: AsyncIterable<readonly Uint8Array[]>,
): AsyncGenerator<Out, void> {
  for await (const batch of batches) for (const bytes of batch) yield kind.decode(bytes);
}

/** The one value of a stream. Throws "invalid" when there is none, or more. */
export async function only<Value>(values: AsyncIterable<Value>): Promise<Value> {
  let first: { readonly value: Value } | undefined;
  for await (const value of values) {
    if (first !== undefined) throw new PlyError("invalid", "there is more than one message");
    first = { value };
  }
  if (first === undefined) throw new PlyError("invalid", "there is no message");
  return first.value;
}

/** The stream of one value. */
export async function* just<Value>(value: Value): AsyncGenerator<Value, void> {
  yield value;
}
