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
