/** What a guest is told on its command line. */
export interface GuestOptions {
  readonly role: 'relay' | 'consumer'
  /** How far its clock is ahead, in milliseconds. */
  readonly skewMs: number
  readonly url: string
  readonly brokers: readonly string[]
  readonly topic: string
  readonly group: string
  readonly deliveryLog: string
  /** Default: as short as a victim's, so that others take over soon. */
  readonly sessionTimeoutMs?: number
  /** How long the outbox keeps rows, and for how long it writes a leaf, in milliseconds. Default: as anywhere. */
  readonly retentionMs?: number
  readonly leafWidthMs?: number
}
