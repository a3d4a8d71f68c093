// The relay: publishes what was committed, in order. As a program it is `oncebox relay`.
export type {
  DrainResult,
  PooledClient,
  Relay,
  RelayEvent,
  RelayOptions,
  RelayState,
  SessionPool,
} from '@oncebox/relay'
export { changeLanes, createRelay, type LanesChanged, readLanes } from '@oncebox/relay'
