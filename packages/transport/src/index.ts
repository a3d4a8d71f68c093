export type { OutgoingRecord, Publisher, PublishOutcome } from './publisher.js'
export { headerBytes } from './publisher.js'
export type {
  BatchHandler,
  BatchProgress,
  IncomingBatch,
  SubscribeOptions,
  Subscriber,
  Subscription,
  TopicPartition,
} from './subscriber.js'
