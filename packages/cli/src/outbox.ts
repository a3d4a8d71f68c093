export type { ContractMessage, EmitOptions, Outbox, OutboxOptions, OutgoingMessage } from '@oncebox/outbox'
export { createOutbox } from '@oncebox/outbox'
