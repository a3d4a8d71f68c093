/** A replay that runs, or ran, as the page is told of it. */
export interface ReplayProgress {
  readonly id: string
  readonly by: string
  /** The one group that handles the messages again; null: they are published again, for all. */
  readonly group: string | null
  readonly state: 'running' | 'done' | 'cancelled' | 'failed'
  /** Messages so far, of `messages`. */
  readonly copied: number
  /** How many there are; an estimate unless `exact`. */
  readonly messages: number
  readonly exact: boolean
  /** The command that goes on from where it stopped. Null when it is done. */
  readonly goOn: string | null
}
