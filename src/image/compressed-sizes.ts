import type { DiffId } from "../oci/index.ts";
import type { CompressedForm, Layers } from "../store/index.ts";

/** What layers cost to send, remembered: a list of many images asks for the same ones again and again. */
export interface CompressedSizes {
  /** Bytes of the smallest form known; undefined where none is. */
  of(diffId: DiffId): number | undefined;
  /** A new form of the layer was seen. */
  forget(diffId: DiffId): void;
}

/** Some 10 MB; beyond that the memory starts anew. */
const MAX_REMEMBERED = 100_000;

export function openCompressedSizes(layers: Layers): CompressedSizes {
  const remembered = new Map<DiffId, number>();
  return {
    of(diffId) {
      const known = remembered.get(diffId);
      if (known !== undefined) return known;
      const form = smallestForm(layers.forms(diffId));
      if (form === undefined) return undefined;
      if (remembered.size >= MAX_REMEMBERED) remembered.clear();
      remembered.set(diffId, form.size);
      return form.size;
    },
    forget: (diffId) => void remembered.delete(diffId),
  };
}

/** The form that costs least to send. */
export function smallestForm(forms: readonly CompressedForm[]): CompressedForm | undefined {
  return forms.reduce<CompressedForm | undefined>(
    (best, form) => (best === undefined || form.size < best.size ? form : best),
    undefined,
  );
}
