/** A promise that a run broke: what the judge of all histories finds, and what only the simulation can see. */
export interface Broken {
  readonly rule: string
  /** One sentence: what happened, and to which message. */
  readonly message: string
}
