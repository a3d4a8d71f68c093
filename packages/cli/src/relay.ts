export type {
  DrainResult,
  PooledClient,
  Relay,
  RelayEvent,
  RelayOptions,
  RelayState,
  SessionPool,
} from '@oncebox/relay'
export { createRelay } from '@oncebox/relay'
