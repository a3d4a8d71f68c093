export type { PublishFault } from './link.js'
export type { MemoryTransport } from './memoryTransport.js'
export { memoryTransport } from './memoryTransport.js'
export type { MemoryTransportOptions, RefuseRule } from './options.js'
