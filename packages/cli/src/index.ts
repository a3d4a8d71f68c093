// What producers and consumers share: contracts, messages, errors, ids. The parts have entry points of their own.
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
