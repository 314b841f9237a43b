/** As much of the store's `Records` as networks need. */
export interface NetworkDocuments {
  put(key: string, value: unknown): void;
  delete(key: string): void;
  list(): { readonly key: string; readonly value: unknown }[];
}
