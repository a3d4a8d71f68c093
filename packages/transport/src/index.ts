export type { Inspector, OffsetRange, TopicFacts } from './inspector.js'
export { orderKey } from './orderKey.js'
export type { OutgoingRecord, Publisher, PublishOutcome } from './publisher.js'
export { headerBytes } from './publisher.js'
export type { RecordSink } from './recordSink.js'
export { writeRecordTo } from './recordSink.js'
export type { PartResult, SplitOptions } from './splitRefused.js'
export { refusedInOrder, splitRefused } from './splitRefused.js'
export type {
  BatchHandler,
  BatchProgress,
  IncomingBatch,
  SubscribeOptions,
  Subscriber,
  Subscription,
  TopicPartition,
} from './subscriber.js'
