export type { MemoryTransport, MemoryTransportOptions, PublishFault, RefuseRule } from '@oncebox/transport/memory'
export { memoryTransport } from '@oncebox/transport/memory'
