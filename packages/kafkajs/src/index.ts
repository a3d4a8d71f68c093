export { kafkajsInspector } from './inspector.js'
export type { KafkajsTransport } from './kafkajs.js'
export { kafkajs } from './kafkajs.js'
export type { KafkajsClient, KafkajsConnection, KafkajsOptions, KafkajsTuning } from './options.js'
