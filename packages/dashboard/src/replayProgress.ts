/** A replay that runs, or ran, as the page is told of it. */
export interface ReplayProgress {
  readonly id: string
  readonly by: string
  readonly state: 'running' | 'done' | 'cancelled' | 'failed'
  /** Messages so far, of `messages`. */
  readonly copied: number
  readonly messages: number
  /** Where it stopped: `oncebox replay` goes on from there. Null when it is done. */
  readonly rest: { readonly after: string; readonly before: string } | null
}
