/** How many write at a time. */
export const writers = 8

/** What a transaction writes beside its business row, and which of its statements share a round trip. */
export interface WriteWay {
  readonly message: 'none' | 'one' | 'many'
  /** `commit`: the message goes out together with COMMIT. `all`: the whole transaction is one round trip. */
  readonly pipeline: 'none' | 'commit' | 'all'
  /** Statements are parsed and planned once a connection (`prepare` of `fromPg`), not at every call. */
  readonly prepared?: boolean
}

export const writeArms = {
  businessOnly: { message: 'none', pipeline: 'none' },
  outbox: { message: 'one', pipeline: 'none' },
  outboxPipelined: { message: 'one', pipeline: 'commit' },
  businessOnlyPrepared: { message: 'none', pipeline: 'none', prepared: true },
  outboxPrepared: { message: 'one', pipeline: 'none', prepared: true },
  businessOnlyOneTrip: { message: 'none', pipeline: 'all' },
  outboxOneTrip: { message: 'one', pipeline: 'all' },
  emitMany1000: { message: 'many', pipeline: 'none' },
} satisfies Record<string, WriteWay>

export type WriteArm = keyof typeof writeArms
