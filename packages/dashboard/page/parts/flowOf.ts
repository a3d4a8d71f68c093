import type { ProblemCode } from '@oncebox/ops'
import type { Overview } from '../../src/picture.js'

/** One stop of the flow: whether something is stuck there, and what. */
export interface Node {
  readonly stuck: boolean
  /** A sentence; empty when nothing is stuck. */
  readonly why: string
}

export interface FlowState {
  readonly outbox: Node & { waiting: number; exact: boolean; oldestSeconds: number | null }
  readonly relay: Node & { lanes: number; held: number; parked: number }
  readonly brokers: { stuck: boolean; known: boolean; lag: number }
  readonly consumers: Node & { groups: number; deadLetters: number; failing: number }
}

/** Where on the way a problem shows. */
const places: Readonly<Record<'outbox' | 'relay' | 'brokers' | 'consumers', readonly ProblemCode[]>> = {
  outbox: ['LANE_BEHIND', 'LAG_GROWING', 'SCHEDULED_OVERDUE', 'RING_FULL', 'LEAF_NOT_RECLAIMED', 'NOT_MIGRATED'],
  relay: ['NO_RELAY', 'PAUSED', 'KEYS_PARKED', 'DATABASE_CHANGED'],
  brokers: ['KAFKA_UNREACHABLE', 'TOPIC_MISSING', 'ACKS_IMPOSSIBLE'],
  consumers: ['DEAD_LETTERS'],
}

/** Pure: from the picture to what each stop shows. */
export function flowOf({ lanes, consumers, problems, lag }: Overview): FlowState {
  const node = (codes: readonly ProblemCode[]): Node => {
    const problem = problems.find(({ code }) => (codes as readonly string[]).includes(code))
    return { stuck: problem !== undefined, why: problem?.what ?? '' }
  }
  const ages = lanes.flatMap(({ oldestSeconds }) => (oldestSeconds === null ? [] : [oldestSeconds]))
  return {
    outbox: {
      ...node(places.outbox),
      waiting: lanes.reduce((sum, lane) => sum + lane.waiting, 0),
      exact: lanes.every(({ waitingExact }) => waitingExact),
      oldestSeconds: ages.length === 0 ? null : Math.max(...ages),
    },
    relay: {
      ...node(places.relay),
      lanes: lanes.length,
      held: lanes.filter(({ holder }) => holder !== null).length,
      parked: lanes.reduce((sum, lane) => sum + lane.parked, 0),
    },
    brokers: {
      stuck: node(places.brokers).stuck,
      known: lag !== null,
      lag: (lag ?? []).reduce((sum, { messages }) => sum + (messages ?? 0), 0),
    },
    consumers: {
      ...node(places.consumers),
      groups: consumers.length,
      deadLetters: consumers.reduce((sum, group) => sum + group.deadLetters, 0),
      failing: consumers.reduce((sum, group) => sum + group.failing, 0),
    },
  }
}
