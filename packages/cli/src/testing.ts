// What users' tests need: what was emitted, whether a handler's effect happens once, a transport in memory.
export type { ExpectHandledOnceOptions } from '@oncebox/inbox/testing'
export { expectHandledOnce } from '@oncebox/inbox/testing'
export type { EmittedMessage, ExpectEmittedOptions, ExpectedMessage } from '@oncebox/outbox/testing'
export { expectEmitted } from '@oncebox/outbox/testing'
export type { MemoryTransport, MemoryTransportOptions, PublishFault, RefuseRule } from '@oncebox/transport/memory'
export { memoryTransport } from '@oncebox/transport/memory'
