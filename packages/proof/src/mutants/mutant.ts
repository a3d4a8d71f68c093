/** One place of the built code, and what stands there instead. `find` is there exactly once. */
export interface Edit {
  readonly find: string
  readonly replace: string
}

/** A test that is expected to fail. */
export interface Suite {
  /** From the root of the repository. */
  readonly file: string
  /** Only tests with this in their name, as vitest's `-t` takes it. Default: all of the file. */
  readonly tests?: string
}

/** A deliberate defect: one that somebody could make, or that another outbox has had. */
export interface Mutant {
  readonly name: string
  /** The guarantee that it breaks. */
  readonly breaks: string
  /** The built file, from the root of the repository. */
  readonly file: string
  readonly edits: readonly Edit[]
  readonly suite: Suite
}
