/** Lines of a Dockerfile, from 1. */
export interface PlyBuildLines {
  readonly line: number;
  readonly endLine: number;
}

/** A check that found something. */
export interface PlyBuildRule {
  readonly rule: string;
  readonly description: string;
  readonly url?: string;
}

/** What a request with `call` is answered with, and the Dockerfile it is about. */
export type PlyBuildAnswer = {
  readonly dockerfile: { readonly name: string; readonly text: string };
} & (
  | {
      readonly type: "check";
      readonly warnings: readonly (PlyBuildRule & PlyBuildLines & { readonly message: string })[];
      readonly error?: { readonly message: string } & Partial<PlyBuildLines>;
    }
  | {
      readonly type: "outline";
      readonly name?: string | undefined;
      readonly description?: string | undefined;
      readonly args: readonly (PlyBuildLines & {
        readonly name: string;
        readonly value?: string | undefined;
        readonly description?: string | undefined;
      })[];
      readonly secrets: readonly (PlyBuildLines & { readonly name: string; readonly isRequired: boolean })[];
      readonly ssh: readonly (PlyBuildLines & { readonly name: string; readonly isRequired: boolean })[];
      readonly caches: readonly (PlyBuildLines & { readonly name: string })[];
    }
  | {
      readonly type: "targets";
      readonly targets: readonly (PlyBuildLines & {
        readonly name?: string | undefined;
        readonly description?: string | undefined;
        readonly isDefault: boolean;
        readonly base: string;
        readonly platform?: string | undefined;
      })[];
    }
);
