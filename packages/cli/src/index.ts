// What producer and consumer share. The parts are under oncebox/outbox, oncebox/relay, oncebox/inbox, oncebox/schema;
// database libraries under oncebox/pg and oncebox/kysely; what users' tests need under oncebox/memory, oncebox/testing.
export type {
  Clock,
  Database,
  ErrorCode,
  IdSource,
  Logger,
  Message,
  MessageContract,
  MessageContracts,
  MessageData,
  MessageInput,
  OnceboxErrorOptions,
  TransactionScope,
  Tx,
} from '@oncebox/core'
export {
  defineMessages,
  errorCodes,
  isOnceboxError,
  isUuidV7,
  localIds,
  OnceboxError,
  silentLogger,
  systemClock,
  uuidV7Time,
} from '@oncebox/core'
