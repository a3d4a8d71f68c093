/** How messages become effects. */
export interface InboxWay {
  readonly inbox: boolean
  /** `batch`: one call and one statement for all messages of a transaction. `each`: a call and a statement a message. */
  readonly handler: 'batch' | 'each'
  /** Messages a transaction, at most. */
  readonly batchMessages: number
  /** The server parses and plans the consumer's statements once a connection (`prepare` of `pgDatabase`). */
  readonly prepared?: boolean
  /** Of slow ways only a part of the messages is run: their rate does not depend on how many there are. */
  readonly share: number
}

export const inboxArms = {
  noInbox: { inbox: false, handler: 'batch', batchMessages: 1_000, share: 1 },
  inbox: { inbox: true, handler: 'batch', batchMessages: 1_000, share: 1 },
  inbox100: { inbox: true, handler: 'batch', batchMessages: 100, share: 0.5 },
  inbox10: { inbox: true, handler: 'batch', batchMessages: 10, share: 0.2 },
  noInboxEach: { inbox: false, handler: 'each', batchMessages: 1_000, share: 0.2 },
  inboxEach: { inbox: true, handler: 'each', batchMessages: 1_000, share: 0.2 },
  onePerTransaction: { inbox: true, handler: 'each', batchMessages: 1, share: 0.04 },
  onePerTransactionPrepared: { inbox: true, handler: 'each', batchMessages: 1, prepared: true, share: 0.04 },
} satisfies Record<string, InboxWay>

export type InboxArm = keyof typeof inboxArms
