// A transport in memory, for tests and for a first look: a broker that lives in the process.
export type { MemoryTransport, MemoryTransportOptions, PublishFault, RefuseRule } from '@oncebox/transport/memory'
export { memoryTransport } from '@oncebox/transport/memory'
