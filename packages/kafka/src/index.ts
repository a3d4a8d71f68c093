export { kafkaInspector } from './inspector.js'
export { type KafkaTransport, kafka } from './kafka.js'
export type { KafkaClient, KafkaConnection, KafkaOptions, KafkaSasl, KafkaTuning } from './options.js'
