import type { Transport } from "./transport.ts";

/**
 * A transport that is made for the first request: `node:http`, `node:tls` and `node:net` take 20 ms to load, which a program
 * that only looks up credentials need not wait for.
 */
export function lateTransport(make: () => Promise<Transport>): Transport {
  let made: Promise<Transport> | undefined;
  /** Does nothing where nothing was made. */
  const tell = (what: (transport: Transport) => void): void => {
    void made?.then(what, () => undefined);
  };
  return {
    async send(request) {
      made ??= make();
      return (await made).send(request);
    },
    forget: (host) => tell((transport) => transport.forget(host)),
    close: () => tell((transport) => transport.close()),
  };
}
