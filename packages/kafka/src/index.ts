export { type KafkaTransport, kafka } from './kafka.js'
export type { KafkaOptions, KafkaSasl } from './options.js'
