export type { Outbox, OutboxOptions } from './createOutbox.js'
export { createOutbox } from './createOutbox.js'
export type { ContractMessage, EmitOptions, OutgoingMessage } from './outgoingMessage.js'
