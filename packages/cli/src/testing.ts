export type { EmittedMessage, ExpectEmittedOptions, ExpectedMessage } from '@oncebox/outbox/testing'
export { expectEmitted } from '@oncebox/outbox/testing'
export type { MemoryTransport, MemoryTransportOptions, PublishFault, RefuseRule } from '@oncebox/transport/memory'
export { memoryTransport } from '@oncebox/transport/memory'
