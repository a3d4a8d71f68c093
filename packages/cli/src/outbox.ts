// The writer: puts messages into the outbox, in the transaction of what they tell about.
export type { ContractMessage, EmitOptions, Outbox, OutboxOptions, OutgoingMessage } from '@oncebox/outbox'
export { createOutbox } from '@oncebox/outbox'
